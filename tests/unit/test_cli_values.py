"""Values that the command line reads, and the form of its output."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from app.cli import commands, main, options
from app.cli.options import DURATION, JSON_OBJECT, read_duration
from app.cli.output import lag
from app.cli.service import format_problem
from app.cli.task import new_task
from app.config import read_settings
from tools.record import Submitted, line, read_record

ROOT = Path(__file__).parents[2]
AT = datetime(2030, 1, 31, 8, 30, tzinfo=UTC)
URLS = {"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("250ms", 0.25), ("1.5m", 90), ("30", 30), ("1d", 86400)],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "5 m", "-5m", "5x", "m5", "1h-30m", "1e3", "\u0665m5"])
def test_a_text_that_is_not_a_duration_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a duration"):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"a"', "null"])
def test_a_text_that_is_not_a_json_object_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="JSON"):
        JSON_OBJECT.convert(text, None, None)


def test_a_task_without_a_time_is_due_now() -> None:
    assert new_task("foo", at=None, delay_s=None, timeout_s=None) == {"type": "foo", "delay_s": 0}


def test_only_given_values_are_sent() -> None:
    body = new_task("foo", at="2030-01-31T09:30:00+01:00", delay_s=None, payload={"a": 1}, max_attempts=None)
    assert body == {"type": "foo", "execute_at": "2030-01-31T09:30:00+01:00", "payload": {"a": 1}}


def test_two_times_for_one_task_are_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="not both"):
        new_task("foo", at="2030-01-31T09:30:00Z", delay_s=5.0)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(None, ""), (0.04, "0.0 ms"), (12.34, "12.3 ms"), (1500.0, "1.5 s"), (90_000.0, "90.0 s"),
     (180_000.0, "3.0 m"), (7_200_000.0, "2.0 h"), (172_800_000.0, "2.0 d")],
)  # fmt: skip
def test_lag_is_printed_in_a_fitting_unit(milliseconds: float | None, text: str) -> None:
    assert lag(milliseconds) == text


def test_a_problem_is_printed_with_its_fields_and_its_other_details() -> None:
    problem = {
        "title": "Invalid input",
        "detail": "Something is wrong.",
        "details": {"fields": {"type": "Must be one of: foo."}, "allowed": {"type": ["foo"]}, "state": "running"},
    }
    assert format_problem(problem).splitlines() == [
        "Invalid input: Something is wrong.",
        "  type: Must be one of: foo.",
        "  state: running",
    ]


def test_an_empty_problem_is_printed_as_refused() -> None:
    assert format_problem({}) == "refused"


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    submitted = [Submitted("a", "foo", AT), Submitted("b", "baz", AT)]
    file = tmp_path / "record.jsonl"
    file.write_bytes(b"".join(map(line, submitted)) + b"\n")
    assert read_record(file) == submitted


@pytest.mark.parametrize(
    "text", ["no JSON", '{"id": "a"}', '{"id": "a", "type": "foo", "execute_at": "2030-01-31T08:30:00"}']
)
def test_a_file_that_is_not_a_record_is_wrong_usage(tmp_path: Path, text: str) -> None:
    file = tmp_path / "record.jsonl"
    file.write_text(text)
    with pytest.raises(click.UsageError, match="is not a record"):
        read_record(file)


def test_a_missing_record_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="is not there"):
        read_record(tmp_path / "nothing")


def test_the_url_of_the_service_comes_from_the_option_then_from_make_run_then_from_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "RUN_FILE", tmp_path / "run.env")
    assert options.service_url(None) == "http://127.0.0.1:8000"
    (tmp_path / "run.env").write_text("REDIS_URL=redis://x\nBASE_URL=http://127.0.0.1:8123\n")
    assert options.service_url(None) == "http://127.0.0.1:8123"
    assert options.service_url("http://example.org/") == "http://example.org"


def test_values_of_make_run_replace_variables_that_are_not_set() -> None:
    settings = read_settings({"DATABASE_URL": "", "QUEUE": "slow"}, otherwise=URLS | {"QUEUE": "default"})
    assert (settings.database_url, settings.queue) == ("postgresql+psycopg://nowhere/x", "slow")


@pytest.mark.parametrize("command", ["", "task", "task create", "task list", "task show", "task delete", "submit",
                                     "verify", "doctor"])  # fmt: skip
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(main, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize("name", ["submit", "verify"])
def test_a_tool_is_a_module_too(name: str) -> None:
    program = [sys.executable, "-m", f"tools.{name}", "--help"]
    result = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.startswith(f"Usage: python -m tools.{name} ")


def test_the_command_line_lists_the_tools_only_where_their_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(commands.TOOLS) == ["submit", "verify"]
    assert all(f"  {name} " in CliRunner().invoke(main, ["--help"]).output for name in commands.TOOLS)
    monkeypatch.setattr(commands, "FOLDER", tmp_path / "tools")
    result = CliRunner().invoke(main, ["--help"])
    assert (result.exit_code, "  submit " in result.output, "  task " in result.output) == (0, False, True)
    assert CliRunner().invoke(main, ["submit"]).exit_code == 2


def test_the_help_documents_the_exit_codes() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    for words in ("0  success", "1  the request was refused", "2  wrong usage", "3  the service does not answer"):
        assert words in text


@pytest.mark.parametrize(
    "wrong", [["task", "show", "../types"], ["task", "create"], ["task", "create", "foo", "--in", "soon"],
              ["task", "show", "01", "--wait", "1h"], ["submit", "--count", "0"], ["nothing"]],
)  # fmt: skip
def test_wrong_usage_has_exit_code_2(wrong: list[str]) -> None:
    assert CliRunner().invoke(main, wrong).exit_code == 2


@pytest.mark.parametrize("arguments", [["task", "list"], ["submit", "--count", "1"]])
def test_an_unavailable_service_has_exit_code_3(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, [*arguments, "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 3
    assert "does not answer" in result.output


def test_an_invalid_url_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["task", "list", "--url", "ftp://x"]).exit_code == 2


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUNCTUAL_URL", "http://127.0.0.1:9")
    result: Any = CliRunner().invoke(main, ["task", "list"])
    assert "http://127.0.0.1:9 does not answer" in result.output

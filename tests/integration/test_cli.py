"""The command line with the real API and both servers. The tests claim and finish tasks in place of workers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from werkzeug.serving import WSGIRequestHandler, make_server

import submit_task
from app.broker.contents import current_generation
from app.broker.keys import TYPES
from app.broker.known_types import put_types
from app.cli import main
from app.ledger import claims, workers
from app.outcome import succeeded
from app.task import Due
from tests.making import change
from tests.restricted import ROLE

if TYPE_CHECKING:
    from flask import Flask
    from redis import Redis
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.config import Settings
    from app.task_types import TaskTypes


class Quiet(WSGIRequestHandler):
    """Handles HTTP/1.1 like our web server, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def address(web: Flask) -> Iterator[str]:
    """The API on a free port."""
    server = make_server("127.0.0.1", 0, web, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, redis: Redis) -> Path:
    """A working folder with a `var` folder, and empty servers."""
    (tmp_path / "var").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(address: str, place: Path, redis: Redis, types: TaskTypes, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command against the API, in an installation whose sweeper has published the types."""
    put_types(redis, types)
    monkeypatch.setenv("PUNCTUAL_URL", address)
    return lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


def json_of(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def play_worker(engine: Engine, types: tuple[str, ...] = ("foo", "baz")) -> list[str]:
    """Claim and finish all due tasks; return the lines that a worker would have printed."""
    workers.heartbeat(engine, "player", queue="default", slots=16)
    with engine.connect() as connection:
        ids = [str(row[0]) for row in connection.execute(text("SELECT id FROM tasks WHERE state = 'scheduled'"))]
    mine = claims.claim(engine, ids, worker_id="player", types=types, token=claims.new_token(), asked_at=0.0).mine
    lines = {each.id: f"Foo {each.id}" if each.type == "foo" else "Baz 17" for each in mine}
    outcomes = [succeeded(each.id, each.token, json.dumps({"output": lines[each.id]})) for each in mine]
    claims.finish(engine, outcomes)
    return list(lines.values())


def test_a_task_is_created_listed_shown_and_deleted(run: Any) -> None:
    created = json_of(run("task", "create", "foo", "--in", "5m", "--timeout-s", 7, "--payload", '{"a": 1}', "--json"))
    assert (created["state"], created["timeout_s"], created["payload"]) == ("scheduled", 7, {"a": 1})
    assert [each["id"] for each in json_of(run("task", "list", "--state", "scheduled", "--json"))] == [created["id"]]
    assert created["id"] in run("task", "list", "--type", "foo,baz", "--since", "2020-01-01T00:00:00+01:00").stdout
    assert "No such tasks." in run("task", "list", "--type", "baz").stdout
    assert "scheduled" in run("task", "show", created["id"]).stdout
    assert "it never ran and never will" in run("task", "delete", created["id"]).stdout
    assert json_of(run("task", "delete", created["id"], "--json"))["state"] == "deleted"
    assert run("task", "show", created["id"]).exit_code == 1


def test_a_list_has_as_many_tasks_as_asked_for_or_all_of_them(run: Any) -> None:
    for minutes in range(5):
        run("task", "create", "baz", "--in", f"{minutes + 1}m")
    assert len(json_of(run("task", "list", "--limit", 3, "--json"))) == 3
    assert len(json_of(run("task", "list", "--all", "--json"))) == 5


def test_stats_are_tables_or_json(run: Any, engine: Engine) -> None:
    run("task", "create", "foo", "--in", "1h")
    workers.heartbeat(engine, "player", queue="default", slots=16)
    shown = run("stats")
    assert shown.exit_code == 0
    for words in (
        "oldest overdue",
        "lag p99",
        "started too early",
        "RQ queue default",
        "player",
        "refused jobs",
        "foo",
    ):
        assert words in shown.stdout
    assert json_of(run("stats", "--json"))["by_type"] == {"foo": {"scheduled": 1}}


def test_show_waits_for_the_final_state(run: Any, engine: Engine) -> None:
    task = json_of(run("task", "create", "foo", "--json"))
    waiting = threading.Timer(0.1, play_worker, [engine])
    waiting.start()
    shown = json_of(run("task", "show", task["id"], "--wait", "20s", "--json"))
    waiting.join()
    assert (shown["state"], shown["result"]) == ("succeeded", {"output": f"Foo {task['id']}"})


def test_a_refusal_names_each_invalid_field_and_has_exit_code_1(run: Any) -> None:
    refused = run("task", "create", "nonsense", "--at", "tomorrow")
    assert refused.exit_code == 1
    assert "type: Must be one of" in refused.output
    assert "execute_at: Must be an RFC 3339 time" in refused.output
    problem = run("task", "create", "nonsense", "--json")
    assert (problem.exit_code, problem.stdout) == (1, "")
    assert json.loads(problem.stderr)["type"] == "/problems/invalid-input"


def test_submitted_tasks_are_verified(run: Any, engine: Engine, place: Path) -> None:
    report = json_of(
        run("submit", "--count", 60, "--spread", "1ms", "--type", "foo", "--type", "baz", "--concurrency", 4, "--json")
    )
    assert (report["created"], report["failed"]) == (60, 0)
    assert len((place / "var" / "submitted.jsonl").read_text().splitlines()) == 60
    lines = play_worker(engine)
    (place / "out").write_text("".join(f"09:44:37 worker.1    | {line}\n" for line in lines))
    verified = json_of(run("verify", "--output", "out", "--json"))
    assert (verified["tasks"], verified["succeeded"], verified["lines"]["expected"]) == (60, 60, 60)
    assert not any(verified[name] for name in ("missing", "twice", "early", "unfinished", "failed"))
    assert verified["lag_max_ms"] > 0
    table = run("verify", "--output", "out")
    assert table.exit_code == 0
    assert "lag p99" in table.stdout


def test_an_extra_or_missing_line_is_found(run: Any, engine: Engine, place: Path) -> None:
    run("submit", "--count", 5, "--spread", "0s", "--type", "foo")
    lines = play_worker(engine)
    (place / "out").write_text("\n".join([*lines, lines[0]]))
    twice = run("verify", "--output", "out", "--json")
    assert (twice.exit_code, json.loads(twice.stdout)["lines"]["twice"]) == (1, 1)
    (place / "out").write_text("\n".join(lines[1:]))
    absent = run("verify", "--output", "out", "--json")
    assert (absent.exit_code, json.loads(absent.stdout)["lines"]["absent"]) == (1, 1)


def test_a_task_that_vanished_or_never_ran_is_found(run: Any, engine: Engine) -> None:
    run("submit", "--count", 5, "--spread", "0s")
    with engine.connect() as connection:
        connection.execute(text("DELETE FROM tasks WHERE id = (SELECT id FROM tasks LIMIT 1)"))
    found = run("verify", "--wait", "0s", "--json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    assert (report["missing"], report["unfinished"]) == (1, 4)
    assert "4 have not ended yet" in run("verify", "--wait", "0s").stderr


def test_a_refused_submission_names_the_reason(run: Any) -> None:
    refused = run("submit", "--count", 3, "--type", "nonsense", "--json")
    assert refused.exit_code == 1
    report = json.loads(refused.stdout)
    assert (report["created"], report["failed"]) == (0, 3)
    assert "type: Must be one of" in report["reason"]


def test_tasks_of_the_script_are_verified_too(
    run: Any, address: str, engine: Engine, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit_task.main([address, "--count", "30", "--minutes", "0", "--type", "foo", "--type", "baz"]) == 0
    assert "30 tasks in" in capsys.readouterr().out
    play_worker(engine)
    assert json_of(run("verify", "--json"))["succeeded"] == 30


def test_the_script_reports_refusals(address: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit_task.main([address, "--count", "2", "--type", "nonsense"]) == 1
    assert "HTTP 422" in capsys.readouterr().err


def findings(run: Any) -> dict[str, dict[str, str]]:
    return {each["check"]: each for each in json.loads(run("doctor", "--json").stdout)}


def test_the_doctor_finds_nothing_wrong_in_a_healthy_installation(run: Any, engine: Engine, redis: Redis) -> None:
    current_generation(redis)
    run("task", "create", "foo", "--in", "10m")
    workers.heartbeat(engine, "player", queue="default", slots=16)
    examined = run("doctor")
    assert examined.exit_code == 0, examined.output
    for check in (
        "settings", "postgres", "schema", "rights", "clock", "connections", "redis", "eviction", "workers", "early",
        "counters", "overdue", "drift", "generation",
    ):  # fmt: skip
        assert f"ok    {check}" in examined.stdout


def test_the_doctor_never_shows_a_password(run: Any, settings: Settings) -> None:
    password = urlsplit(settings.redis_url).password
    assert password
    assert password not in run("doctor").output
    assert password not in run("doctor", "--json").output


def test_the_doctor_fails_without_a_live_worker(run: Any) -> None:
    assert run("doctor").exit_code == 1
    assert findings(run)["workers"]["level"] == "fail"


def test_the_doctor_finds_due_tasks_that_redis_does_not_know(run: Any, engine: Engine, due_set: DueSet) -> None:
    old = json_of(run("task", "create", "baz", "--at", "2020-01-01T00:00:00Z", "--json"))
    assert findings(run)["drift"]["level"] == "ok"
    assert findings(run)["overdue"]["level"] == "warn"
    assert "no worker is alive for queue default" in findings(run)["overdue"]["said"]
    due_set.remove("baz", [old["id"]])
    assert findings(run)["drift"]["said"].startswith("1 due tasks are unknown to Redis")
    due_set.add([Due(old["id"], "baz", datetime.now(UTC) - timedelta(seconds=60))])
    assert findings(run)["drift"]["level"] == "ok"


def test_the_doctor_finds_tasks_of_the_window_that_redis_does_not_know(run: Any, due_set: DueSet) -> None:
    task = json_of(run("task", "create", "baz", "--in", "10m", "--json"))
    assert findings(run)["drift"]["level"] == "ok"
    due_set.remove("baz", [task["id"]])
    assert findings(run)["drift"]["said"].startswith("1 tasks due within 60.0 m are unknown to Redis")


def test_the_doctor_counts_ids_without_a_scheduled_task(run: Any, due_set: DueSet) -> None:
    due_set.add([Due("01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11", "baz", datetime.now(UTC) + timedelta(hours=1))])
    assert findings(run)["drift"]["said"].endswith("1 in the due sets, 0 delivered, 1 orphaned")


def test_the_doctor_names_a_type_without_a_handler(run: Any, engine: Engine) -> None:
    task = json_of(run("task", "create", "baz", "--at", "2020-01-01T00:00:00Z", "--json"))
    change(engine, task["id"], "type = 'print'")
    assert findings(run)["overdue"]["said"].endswith("late: type print has no handler")


def test_the_doctor_names_missing_rights(run: Any, owner: Engine) -> None:
    with owner.connect() as connection:
        connection.execute(text(f"REVOKE UPDATE ON tasks FROM {ROLE}"))
        try:
            assert findings(run)["rights"]["said"] == "this role lacks UPDATE on tasks"
        finally:
            connection.execute(text(f"GRANT UPDATE ON tasks TO {ROLE}"))


def test_the_doctor_names_unavailable_servers(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@127.0.0.1:9/x")
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:9/0")
    examined = run("doctor")
    assert examined.exit_code == 1
    assert "fail  postgres     does not answer" in examined.stdout
    assert "fail  redis        does not answer" in examined.stdout
    assert "secret" not in examined.output


def test_the_doctor_fails_a_redis_that_evicts_keys(run: Any, harm: Redis) -> None:
    harm.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert findings(run)["eviction"]["level"] == "fail"
    finally:
        harm.config_set("maxmemory-policy", "noeviction")


def test_the_doctor_reads_the_settings_of_a_running_make_run(
    run: Any, place: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    for name in urls:
        monkeypatch.delenv(name)
    assert findings(run)["settings"]["level"] == "fail"
    (place / "var" / "run.env").write_text("".join(f"{name}={value}\n" for name, value in urls.items()))
    assert findings(run)["postgres"]["level"] == "ok"


@pytest.mark.parametrize("module", ["no.such.module", "workers.no_such_module", "tests.handlers.part"])
def test_the_doctor_fails_task_modules_that_cannot_be_imported(
    run: Any, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setenv("TASK_MODULES", module)
    assert findings(run)["types"]["level"] == "fail"


def test_the_doctor_imports_no_handlers_and_reads_the_types_that_the_sweeper_publishes(
    run: Any, redis: Redis, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "connecting").mkdir()
    (place / "connecting" / "__init__.py").write_text("raise RuntimeError('imported')")
    (place / "connecting" / "handlers.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("TASK_MODULES", "connecting.handlers")
    assert "fizzbuzz" in findings(run)["types"]["said"]
    redis.delete(TYPES)
    assert findings(run)["types"]["level"] == "warn"
    redis.set(TYPES, "[1")
    assert findings(run)["types"]["level"] == "warn"

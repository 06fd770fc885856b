"""A process that cannot start ends with exit code 1 and one sentence that names the variable, never its value."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.ports import free_port
from local.procfile import read_procfile
from tests.acceptance.processes import ROOT
from tests.acceptance.stores import with_venv_first

COMMANDS = read_procfile(ROOT / "Procfile")
ADDRESSES = {"DATABASE_URL": "postgresql://me:Open99door@127.0.0.1:9/x", "REDIS_URL": "redis://127.0.0.1:9/0"}
NOT_PASSED_ON = ("COVERAGE", "TASK_MODULES", "EXTERNAL_TASK_TYPES", "HOST", "PORT", "APP_ENV", "AUTH", "SECRET_KEY")
TIMEOUT_S = 90
MODULES = {
    "syntax.py": "def f(:\n",
    "missing.py": "import os\n\nos.environ['NO_SUCH_VARIABLE']\n",
    "ends.py": "raise SystemExit('bye')\n",
    "imports.py": "import no_such_package\n",
}


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path) -> None:
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)


def start(process: str, given: Mapping[str, str], folder: Path) -> tuple[int, list[str]]:
    """Start a process of the Procfile; return its exit code and all lines that it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
    environment = (
        with_venv_first(inherited) | ADDRESSES | {"PYTHONPATH": str(folder), "PORT": str(free_port())} | dict(given)
    )
    done = subprocess.run(
        f"exec {COMMANDS[process]}", shell=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


def assert_one_sentence(process: str, given: Mapping[str, str], folder: Path, *words: str) -> None:
    code, lines = start(process, given, folder)
    assert (code, len(lines)) == (1, 1), lines
    assert lines[0].startswith(f"The {process} process does not start: "), lines
    for each in words:
        assert each in lines[0]
    assert "Open99door" not in lines[0]


@pytest.mark.parametrize("process", COMMANDS)
@pytest.mark.parametrize(
    ("variable", "value"),
    [("REDIS_URL", "redis://:Open99door#x@h:1/0"), ("DATABASE_URL", "postgres://u:x@Open99door@h/d"), ("SLOTS", "abc")],
)
def test_every_process_refuses_an_invalid_setting(process: str, variable: str, value: str, tmp_path: Path) -> None:
    assert_one_sentence(process, {variable: value}, tmp_path, variable)


@pytest.mark.parametrize("process", ["web", "promoter", "worker", "sweeper"])
@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("no.such.module", "No module named 'no'"),
        ("syntax", "syntax.py, line 1)"),
        ("missing", "KeyError: 'NO_SUCH_VARIABLE' ("),
        ("ends", "SystemExit: bye"),
        ("imports", "No module named 'no_such_package'"),
        (".relative", "TASK_MODULES"),
    ],
)
def test_every_process_refuses_a_module_that_cannot_be_imported(
    process: str, module: str, said: str, tmp_path: Path
) -> None:
    assert_one_sentence(process, {"TASK_MODULES": f"workers.handlers,{module}"}, tmp_path, "TASK_MODULES", said)


@pytest.mark.parametrize("processes", ["1", "3"])
def test_a_web_server_with_several_processes_says_once_why_none_starts(processes: str, tmp_path: Path) -> None:
    given = {"WEB_PROCESSES": processes, "TASK_MODULES": "imports"}
    assert_one_sentence("web", given, tmp_path, "no_such_package")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"PORT": "80a"}, "PORT must be"),
        ({"PORT": "0"}, "PORT must be"),
        ({"PORT": "99999"}, "PORT must be"),
        ({"HOST": "no.such.host.invalid"}, "HOST must be"),
        ({"HOST": "http://localhost"}, "HOST must be"),
        ({"HOST": "203.0.113.1"}, "HOST and PORT"),
        ({"APP_ENV": "production"}, "SECRET_KEY is not set"),
        ({"APP_ENV": "production", "SECRET_KEY": "short"}, "SECRET_KEY must"),
    ],
)
def test_a_web_process_refuses_an_invalid_address_or_secret(given: dict[str, str], said: str, tmp_path: Path) -> None:
    assert_one_sentence("web", given, tmp_path, said)


def test_a_web_process_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = {"HOST": "127.0.0.1", "PORT": str(taken.getsockname()[1])}
        assert_one_sentence("web", given, tmp_path, "Address already in use")


def test_a_release_without_postgres_says_why_in_one_sentence(tmp_path: Path) -> None:
    code, lines = start("release", {"DATABASE_URL": "postgresql://me:x@127.0.0.1:9/Open99door"}, tmp_path)
    assert (code, len(lines)) == (1, 1), lines
    assert lines[0].startswith("The release does not run: Postgres at DATABASE_URL cannot be used (nothing listens")
    assert "Open99door" not in lines[0]

"""Modules of users: handlers that run as in a child, in a separate process, and declarations of payloads."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog

from app import logs
from tests.making import NOWHERE

ROOT = Path(__file__).parents[2]
HEAD = """
import abc, collections, dataclasses, datetime, decimal, enum, typing, uuid
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import *
import msgspec
import pydantic
import pydantic.dataclasses
from msgspec import Meta, Struct
from punctual import Context, task
"""
UNCONFIGURED = {name: getattr(logs._Configured, name) for name in ("logger", "processors", "handler")}
HANDLER = "\n@task\ndef handler(payload: P): return payload\n"
CHILD = """
import sys
from datetime import UTC, datetime
from app.config import read_settings
from app.logs import configure_logs, get_logger
from app.task import Claim
from app.task_types import load_task_types
from workers.pool import output
from workers.pool.child import run
from workers.pool.protocol import Failure

output.write_whole_lines()
settings = read_settings()
configure_logs(settings, process="slot")
types = load_task_types(settings)
for kind in sys.argv[1:]:
    claim = Claim("id-of-" + kind, "a-token", 2, 3, kind, "{}", 5.0, datetime.now(UTC), 0.0)
    ended = run(claim, types, may_begin=lambda: True)
    get_logger().warning("ended", how=ended if isinstance(ended, str) else ended.message)
"""


class Ran:
    """The output of a process that has ended."""

    def __init__(self, done: subprocess.CompletedProcess[str], folder: Path) -> None:
        assert done.returncode == 0, done.stderr
        self.out, self.err = done.stdout, done.stderr
        self._folder = folder

    def file(self, name: str) -> str:
        """Read a file that the handler has written, and remove it."""
        text = (self._folder / name).read_text()
        (self._folder / name).unlink()
        return text

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log that are JSON."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    def line(self, event: str) -> dict[str, Any]:
        (found,) = (line for line in self.lines if line["event"] == event)
        return found


@pytest.fixture
def run_module(tmp_path: Path) -> Run:
    """Run handlers of a module with this text as a child does, in a separate process."""

    def run_module(text: str, *kinds: str, shell: str = "", **variables: str) -> Ran:
        (tmp_path / "users_tasks.py").write_text(f"from punctual import task\n{text}")
        environment = NOWHERE | {"TASK_MODULES": "users_tasks", "PYTHONPATH": f"{ROOT}:{tmp_path}"} | variables
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" "$@" {shell}', sys.executable, "-c", CHILD, *kinds],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(done, tmp_path)

    return run_module


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _own_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin each test with logs that nothing has configured, and forget what it configures."""
    before = structlog.get_config()
    structlog.reset_defaults()
    for name, value in UNCONFIGURED.items():
        monkeypatch.setattr(logs._Configured, name, value)
    yield
    structlog.configure(**before)


@pytest.fixture
def load_payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module `users_tasks` that declares a handler, whose payload this text declares as P."""
    monkeypatch.setattr("punctual.types._declared", {})
    monkeypatch.syspath_prepend(str(tmp_path))

    def load_payload(text: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, "users_tasks", raising=False)
        (tmp_path / "users_tasks.py").write_text(HEAD + text + HANDLER)
        importlib.invalidate_caches()
        return importlib.import_module("users_tasks")

    return load_payload

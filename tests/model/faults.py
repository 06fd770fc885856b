"""Inject crashes and lost answers before or after any statement and any Redis command of the real parts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import psycopg
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError, RedisError

from app.broker.due_set import LUA
from app.errors import LedgerUnavailable
from app.ledger import statements

if TYPE_CHECKING:
    import pytest

    from tests.model.tried import Tried

SCRIPTS = {sha1(path.read_bytes(), usedforsecurity=False).hexdigest(): path.stem for path in LUA.glob("*.lua")}
PIPELINES = {"SADD": "push", "ZREM": "remove", "ZMSCORE": "unknown"}  # by the first command
COMMANDS = {"LMOVE": "pop", "HGETALL": "fetch or durations", "GET": "generation", "ZREM": "sent"}
KINDS = ("crash before", "crash after", "never arrived", "answer lost")


class Crash(BaseException):
    """A crash of the process; only the model may catch it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at the next step of this name: a crash before or after it, or no answer from the server."""

    kind: str
    at: str


@dataclass(slots=True)
class ActOutcome:
    """How an action ended: by a crash, because a server was unavailable, or in order."""

    crashed: bool = False
    unavailable: bool = False


class Boundary:
    """All statements and Redis commands pass through this object; at most one fault is armed."""

    def __init__(self, tried: Tried) -> None:
        self._tried = tried
        self._thread = threading.get_ident()
        self._armed: Fault | None = None
        self.cut_off = False  # from Postgres
        self._names: dict[str, str | None] = {}  # of the ledger's statements, by their text

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Wrap the functions of psycopg and redis-py that all calls use."""
        monkeypatch.setattr(psycopg.Cursor, "execute", self._around_statements(psycopg.Cursor.execute))
        monkeypatch.setattr(Redis, "execute_command", self._around_commands(Redis.execute_command))
        monkeypatch.setattr(Pipeline, "execute", self._around_pipelines(Pipeline.execute))

    @contextmanager
    def acting(self, fault: Fault | None, *, cut_off: bool = False) -> Iterator[ActOutcome]:
        """Run an action of one process with a fault; catch its crash, and the error of an unavailable server."""
        self._armed, self.cut_off = fault, cut_off
        outcome = ActOutcome()
        try:
            yield outcome
        except Crash:
            outcome.crashed = True
        except (LedgerUnavailable, RedisError):
            outcome.unavailable = True
        finally:
            self._armed, self.cut_off = None, False

    def _around_statements(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the ledger's statements; the other statements are those of the model."""

        def wrapped(cursor: Any, query: Any, *rest: Any, **options: Any) -> Any:
            name = self._name_of(query)
            if name is None or threading.get_ident() != self._thread:
                return execute(cursor, query, *rest, **options)
            if self.cut_off:
                raise LedgerUnavailable
            return self._step(name, lambda: execute(cursor, query, *rest, **options), LedgerUnavailable)

        return wrapped

    def _name_of(self, query: object) -> str | None:
        """Return the name of a ledger statement. Names are read again for unknown texts: a test may change them."""
        if not isinstance(query, str):
            return None
        if query not in self._names:
            self._names |= {statements.statement(path.stem): path.stem for path in statements.SQL.glob("*.sql")}
        return self._names.setdefault(query, None)

    def _around_commands(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(redis: Any, *words: Any, **options: Any) -> Any:
            name = SCRIPTS.get(words[1], "script") if words[0] == "EVALSHA" else COMMANDS.get(words[0], words[0])
            return self._step(name, lambda: execute(redis, *words, **options), RedisConnectionError)

        return wrapped

    def _around_pipelines(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(pipe: Any, *rest: Any, **options: Any) -> Any:
            commands = [command[0][0] for command in pipe.command_stack]
            name = PIPELINES.get(commands[0], commands[0]) if commands else "nothing"
            return self._step(name, lambda: execute(pipe, *rest, **options), RedisConnectionError)

        return wrapped

    def _step(self, name: str, act: Callable[[], Any], unavailable: type[Exception]) -> Any:
        fault = self._armed
        if fault is None or name != fault.at or threading.get_ident() != self._thread:
            return act()
        self._armed = None
        self._tried.faults[fault.kind, name] += 1
        if fault.kind in {"crash after", "answer lost"}:
            act()
        raise Crash if fault.kind.startswith("crash") else unavailable

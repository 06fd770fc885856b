"""Crashes and lost answers at the boundary of the real parts: before or after any statement and any Redis command."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import psycopg
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError

from app.broker.due_set import LUA, ScheduleAway
from app.errors import LedgerAway
from app.ledger import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.model.tried import Tried

SCRIPTS = {sha1(path.read_bytes(), usedforsecurity=False).hexdigest(): path.stem for path in LUA.glob("*.lua")}
PIPELINES = {"SADD": "push", "ZREM": "remove", "ZMSCORE": "unknown"}  # by the first command
COMMANDS = {"LMOVE": "pop", "HGETALL": "fetch or durations", "GET": "generation", "ZREM": "sent"}
KINDS = ("crash before", "crash after", "never arrived", "answer lost")


class Crash(BaseException):
    """The process dies here: nothing may catch this but the model."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the next step of this name: to die before or after it, or its server not answering."""

    kind: str
    at: str


@dataclass(slots=True)
class Ending:
    """How an act ended: it died, or a server was away, or neither."""

    died: bool = False
    away: bool = False

    @property
    def in_order(self) -> bool:
        """Whether whoever asked was answered."""
        return not (self.died or self.away)


class Boundary:
    """Every step that our code takes outside its own memory passes here; at most one fault is armed."""

    def __init__(self, tried: Tried) -> None:
        self._tried = tried
        self._thread = threading.get_ident()
        self._armed: Fault | None = None
        self.cut_off = False  # from Postgres
        self._names: dict[str, str | None] = {}  # of the ledger's statements, by their text

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put this around the functions through which everything goes."""
        monkeypatch.setattr(psycopg.Cursor, "execute", self._around_statements(psycopg.Cursor.execute))
        monkeypatch.setattr(Redis, "execute_command", self._around_commands(Redis.execute_command))
        monkeypatch.setattr(Pipeline, "execute", self._around_pipelines(Pipeline.execute))

    @contextmanager
    def acting(self, fault: Fault | None, *, cut_off: bool = False) -> Iterator[Ending]:
        """Within this, one process acts; its death ends here, and so does its server being away."""
        self._armed, self.cut_off = fault, cut_off
        ending = Ending()
        try:
            yield ending
        except Crash:
            ending.died = True
        except (LedgerAway, ScheduleAway):
            ending.away = True
        finally:
            self._armed, self.cut_off = None, False

    def _around_statements(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """Around the statements of the ledger; what else is asked of Postgres is the model's own."""

        def wrapped(cursor: Any, query: Any, *rest: Any, **options: Any) -> Any:
            name = self._name_of(query)
            if name is None or threading.get_ident() != self._thread:
                return execute(cursor, query, *rest, **options)
            if self.cut_off:
                raise LedgerAway
            return self._step(name, lambda: execute(cursor, query, *rest, **options), LedgerAway)

        return wrapped

    def _name_of(self, query: object) -> str | None:
        """The name of a statement of the ledger, which a test may have changed since the last look."""
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

    def _step(self, name: str, act: Callable[[], Any], away: type[Exception]) -> Any:
        fault = self._armed
        if fault is None or name != fault.at or threading.get_ident() != self._thread:
            return act()
        self._armed = None
        self._tried.faults[fault.kind, name] += 1
        if fault.kind in {"crash after", "answer lost"}:
            act()
        raise Crash if fault.kind.startswith("crash") else away

"""The registry of task types: what each is called, takes, and is allowed."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from app.errors import BadTaskType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from app.config import Settings

Isolation = Literal["process", "thread"]
NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
LONGEST_TIMEOUT_S = 86400.0
MOST_ATTEMPTS = 100


class TaskContext(msgspec.Struct, frozen=True):
    """What a handler is told beside its payload.

    `id` and `attempt` together are unique: the key to make an effect idempotent with.
    """

    id: str
    type: str
    attempt: int
    max_attempts: int
    timeout_s: float
    execute_at: datetime


Handler = Callable[[TaskContext, Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """One kind of task. `handler` is None for types that only outside workers run."""

    name: str
    handler: Handler | None
    payload: type[Any]
    timeout_s: float = 5.0
    max_attempts: int = 1
    isolation: Isolation = "process"
    queue: str = "default"
    external: bool = False

    @property
    def payload_schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the payload."""
        return msgspec.json.schema(self.payload)

    def read_payload(self, payload: Any) -> Any:
        """Turn JSON into what the handler takes.

        Raises:
            msgspec.ValidationError: naming the place and what is wrong there.
        """
        return msgspec.convert(payload, self.payload)

    def decode_payload(self, payload: bytes) -> Any:
        """The same from JSON text.

        Raises:
            msgspec.ValidationError: as `read_payload`.
        """
        return _decoder(cast("Any", self.payload)).decode(payload)


class TaskTypes:
    """All types this process knows, by name."""

    def __init__(self, types: Iterable[TaskType] = ()) -> None:
        self._by_name = {each.name: each for each in types}

    def __getitem__(self, name: str) -> TaskType:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[TaskType]:
        return iter(self._by_name.values())

    @property
    def names(self) -> list[str]:
        """All names, in alphabetical order."""
        return sorted(self._by_name)

    @property
    def delivered(self) -> list[TaskType]:
        """The types that go through Redis to our own workers."""
        return [each for each in self if not each.external]

    def delivers(self, name: str) -> bool:
        """Whether a type goes through Redis: not what outside workers run, nor what only a newer release knows."""
        return name in self and not self[name].external

    @property
    def external(self) -> list[TaskType]:
        """The types that only outside workers run, over HTTP."""
        return [each for each in self if each.external]


@cache
def _decoder(payload: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(payload)


_declared: dict[str, TaskType] = {}


def task_type(
    name: str,
    *,
    payload: type[Any] = dict[str, Any],
    timeout_s: float = 5.0,
    max_attempts: int = 1,
    isolation: Isolation = "process",
    queue: str = "default",
) -> Callable[[Handler], Handler]:
    """Declare the decorated function as the handler of a task type.

    `payload` is a msgspec Struct, dataclass or TypedDict; what a request sends is checked against it.
    `timeout_s` is when a running handler is killed. `max_attempts` above 1 says that it may begin again
    after a failure. `isolation="thread"` runs it beside others in one process: cheap, but it cannot be
    killed; only for trusted handlers that wait on I/O with time limits of their own.

    Raises:
        BadTaskType: a name that cannot be one, a limit out of bounds, or a second declaration.
    """

    def declare(handler: Handler) -> Handler:
        declared = TaskType(
            name=name,
            handler=handler,
            payload=payload,
            timeout_s=timeout_s,
            max_attempts=max_attempts,
            isolation=isolation,
            queue=queue,
        )
        _check(declared)
        _declared[name] = declared
        return handler

    return declare


def load_task_types(settings: Settings) -> TaskTypes:
    """Import the modules of TASK_MODULES; add the external types.

    Raises:
        BadTaskType: a module that cannot be imported, or a declaration that cannot stand.
    """
    for module in settings.modules:
        try:
            importlib.import_module(module)
        except ImportError as missing:
            raise BadTaskType(f"TASK_MODULES names {module!r}: {missing}") from missing
    known = dict(_declared)
    for name in settings.external_types:
        outside = TaskType(name=name, handler=None, payload=dict[str, Any], external=True)
        _check_name(name)
        known[name] = replace(known[name], external=True) if name in known else outside
    return TaskTypes(known.values())


def _check(declared: TaskType) -> None:
    _check_name(declared.name)
    earlier = _declared.get(declared.name)
    if earlier and _place(earlier.handler) != _place(declared.handler):
        raise BadTaskType(f"Task type {declared.name!r} is declared twice.")
    if not 0 < declared.timeout_s <= LONGEST_TIMEOUT_S:
        raise BadTaskType(f"{declared.name}: timeout_s must be above 0, at most {LONGEST_TIMEOUT_S:.0f}.")
    if not 1 <= declared.max_attempts <= MOST_ATTEMPTS:
        raise BadTaskType(f"{declared.name}: max_attempts must be 1 to {MOST_ATTEMPTS}.")
    if declared.isolation not in ("process", "thread"):
        raise BadTaskType(f"{declared.name}: isolation must be 'process' or 'thread'.")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise BadTaskType(f"{name!r} cannot be a task type: lower case, digits, '_', '.', '-', at most 64.")


def _place(handler: Handler | None) -> tuple[str, str]:
    return getattr(handler, "__module__", ""), getattr(handler, "__qualname__", "")

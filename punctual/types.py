"""Task types: name, handler and limits of a kind of task, declared with a decorator."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

import msgspec

from punctual.handler import NO_PAYLOAD, Context, Handler, read_handler, refusal, where
from punctual.payload import Payload

Isolation = Literal["process", "thread"]
MAX_TIMEOUT_S = 86400.0
MAX_ATTEMPTS = 100
NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
QUEUE_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
ALLOWED_NAME = "lower case, digits, '_', '.' and '-', a letter first, at most 64"

Function = TypeVar(
    "Function",
    bound=Callable[[], Any] | Callable[[Any], Any] | Callable[[Any, Context], Any] | Callable[[Context, Any], Any],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """One kind of task. `handler` is None if this process knows the type but not its code."""

    name: str
    handler: Handler | None
    timeout_s: float = 5.0
    max_attempts: int = 1
    isolation: Isolation = "process"
    queue: str = "default"

    @property
    def takes(self) -> Payload:
        """The type of the payload; any JSON object if the handler takes none or is not known here."""
        return self.handler.takes if self.handler else NO_PAYLOAD

    @property
    def payload_schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the payload."""
        return self.takes.schema

    def read_payload(self, payload: Any) -> Any:
        """Convert a decoded JSON object into the payload that the handler takes, as a worker does with its text.

        Raises:
            msgspec.ValidationError: names the place and the fault.
        """
        return payload if self.takes is NO_PAYLOAD else self.takes.decode(msgspec.json.encode(payload))


@overload
def task(name: Function, /) -> Function: ...


@overload
def task(
    name: str | None = None,
    *,
    timeout_s: float = 5.0,
    max_attempts: int = 1,
    isolation: Isolation = "process",
    queue: str = "default",
) -> Callable[[Function], Function]: ...


def task(
    name: Callable[..., Any] | str | None = None,
    *,
    timeout_s: float = 5.0,
    max_attempts: int = 1,
    isolation: Isolation = "process",
    queue: str = "default",
) -> Any:
    """Declare the decorated function as the handler of a task type. The function itself is returned unchanged.

    Written as `@task`, or with arguments as `@task("greet", timeout_s=2)`. The function may take the payload, the
    context, both in any order, or neither: the parameter annotated with `Context` receives the context, the other one
    the payload. The annotation of the payload is a msgspec Struct, a dataclass, a TypedDict, a dict or a pydantic
    model, and the payload of each request is checked against it.

    `name` is the name of the type in requests; the default is the function's name. A running handler is killed after
    `timeout_s` seconds. `max_attempts` above 1 allows further attempts after a failure. `isolation="thread"` runs the
    handler in a thread of the worker process. That is cheaper, but it cannot be killed, so it is for trusted handlers
    that wait on I/O with their own time limits. `queue` names the queue whose workers run the type.

    Raises:
        BadTaskType: a function that cannot be a handler, a payload that cannot be read, a name that cannot be one,
            a limit out of bounds, or a second declaration. The message says where and what to write instead.
    """

    def declare_function(function: Callable[..., Any]) -> Callable[..., Any]:
        handler = read_handler(function)
        declare(
            TaskType(
                name=function.__name__ if name is None or callable(name) else name,
                handler=handler,
                timeout_s=timeout_s,
                max_attempts=max_attempts,
                isolation=isolation,
                queue=queue,
            )
        )
        return function

    return declare_function(name) if callable(name) else declare_function


_declared: dict[str, TaskType] = {}


def declared() -> Mapping[str, TaskType]:
    """Return all types declared in this process so far, by name."""
    return dict(_declared)


def declare(task_type: TaskType) -> None:
    """Register a type with a handler.

    Raises:
        BadTaskType: a name that cannot be one, a limit out of bounds, or a second declaration.
    """
    function = task_type.handler.function if task_type.handler else None
    if not is_name(task_type.name):
        raise refusal(function, f"{task_type.name!r} cannot be a name: {ALLOWED_NAME}. Write one, as in @task('name').")
    if wrong := _limit_fault(task_type) or _second_declaration(task_type.name, function):
        raise refusal(function, wrong)
    _declared[task_type.name] = task_type


def is_name(name: Any) -> bool:
    """Return whether a task type can have this name."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None


def _limit_fault(declared: TaskType) -> str | None:
    """Return which limit is out of bounds; None if none is."""
    if not _is_number(declared.timeout_s, int, float) or not 0 < declared.timeout_s <= MAX_TIMEOUT_S:
        return f"timeout_s must be a number above 0, at most {MAX_TIMEOUT_S:.0f}."
    if not _is_number(declared.max_attempts, int) or not 1 <= declared.max_attempts <= MAX_ATTEMPTS:
        return f"max_attempts must be a whole number from 1 to {MAX_ATTEMPTS}."
    if declared.isolation not in ("process", "thread"):
        return "isolation must be 'process' or 'thread'."
    if not isinstance(declared.queue, str) or not QUEUE_NAME.fullmatch(declared.queue):
        return "queue must be the name of a queue: ASCII letters, digits, '_', '.', ':' and '-', at most 64."
    return None


def _is_number(value: Any, *kinds: type) -> bool:
    """Return whether a value is of one of these kinds. True and False are integers to Python, but not here."""
    return isinstance(value, kinds) and not isinstance(value, bool)


def _second_declaration(name: str, function: Any) -> str | None:
    """Return why a name cannot be declared again; None if it is new, or if its module is loaded again."""
    earlier = _declared.get(name)
    first = earlier.handler.function if earlier and earlier.handler else None
    if first is None or _is_loaded_again(first, function):
        return None
    return f"task type {name!r} is declared twice, first at {where(first)}. Rename one, as in @task('another-name')."


def _is_loaded_again(first: Any, function: Any) -> bool:
    """Return whether a function is the first one, compiled a second time."""
    places = [(getattr(each, "__module__", ""), getattr(each, "__qualname__", "")) for each in (first, function)]
    codes = [getattr(inspect.unwrap(each), "__code__", None) for each in (first, function)]
    lines = [getattr(each, "co_firstlineno", None) for each in codes]
    return places[0] == places[1] and lines[0] == lines[1] and codes[0] is not codes[1]

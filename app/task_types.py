"""The task types that a service knows: those that TASK_MODULES declare, and those that outside workers run."""

from __future__ import annotations

import importlib
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from app.errors import BadTaskType
from app.logs import settle_logs
from punctual import types
from punctual.handler import ANY_OBJECT, Context, Handler, refusal
from punctual.payload import read_type

if TYPE_CHECKING:
    from app.config import Settings

    TaskContext = Context


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType(types.TaskType):
    """A type as a service knows it. Only outside workers run a type that is external."""

    external: bool = False


class TaskTypes:
    """All types that this process knows, by name."""

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
        """The types that go through Redis to the service's own workers."""
        return [each for each in self if not each.external]

    def delivers(self, name: str) -> bool:
        """Whether a type goes through Redis; false for external types and for types of a newer release."""
        return name in self and not self[name].external

    @property
    def external(self) -> list[TaskType]:
        """The types that only outside workers run, over HTTP."""
        return [each for each in self if each.external]


def load_task_types(settings: Settings) -> TaskTypes:
    """Import the modules of TASK_MODULES; add the external types.

    Raises:
        BadTaskType: a module that cannot be imported, or an invalid declaration.
    """
    for module in settings.modules:
        try:
            importlib.import_module(module)
        except BadTaskType:
            raise
        except (Exception, SystemExit) as wrong:
            raise BadTaskType(f"TASK_MODULES names {module!r}: {_cause(wrong)}") from wrong
    settle_logs()
    known = {name: _known(each, external=name in settings.external_types) for name, each in types.declared().items()}
    for name in settings.external_types - known.keys():
        if not types.is_name(name):
            raise BadTaskType(f"EXTERNAL_TASK_TYPES: {name!r} cannot be a name: {types.ALLOWED_NAME}.")
        known[name] = TaskType(name=name, handler=None, external=True)
    return TaskTypes(known.values())


def _cause(wrong: BaseException) -> str:
    """Return in one line the error of an import, with the file and line, ignoring frames of the import system."""
    if isinstance(wrong, SyntaxError):
        return f"{wrong.msg} ({wrong.filename}, line {wrong.lineno})"
    said = " ".join(str(wrong).split()) if isinstance(wrong, ImportError) else f"{type(wrong).__name__}: {wrong}"
    frames = [each for each in traceback.extract_tb(wrong.__traceback__)[1:] if not each.filename.startswith("<")]
    frames = [each for each in frames if each.filename != importlib.__file__]
    return f"{said} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else said


def _known(declared: types.TaskType, *, external: bool) -> TaskType:
    return TaskType(**{each.name: getattr(declared, each.name) for each in fields(declared)}, external=external)


def task_type(
    name: str,
    *,
    payload: Any = ANY_OBJECT,
    timeout_s: float = 5.0,
    max_attempts: int = 1,
    isolation: types.Isolation = "process",
    queue: str = "default",
) -> Callable[[Callable[[Context, Any], Any]], Callable[[Context, Any], Any]]:
    """Declare a handler that takes context and payload, in this order. Deprecated: use `punctual.task`.

    Raises:
        BadTaskType: as `punctual.task`.
    """
    warnings.warn(
        f"app.task_types.task_type will be removed in the next release. Write `from punctual import Context, task` and "
        f"`@task({name!r})`, and annotate what the function takes: `payload: YourClass`, `context: Context`, or both.",
        DeprecationWarning,
        stacklevel=2,
    )

    def declare(function: Callable[[Context, Any], Any]) -> Callable[[Context, Any], Any]:
        try:
            takes = read_type(payload)
        except ValueError as wrong:
            raise refusal(function, f"{payload!r} cannot be a payload: {wrong}.") from None
        types.declare(
            types.TaskType(
                name=name,
                handler=Handler(function, takes, lambda payload, context: function(context, payload)),
                timeout_s=timeout_s,
                max_attempts=max_attempts,
                isolation=isolation,
                queue=queue,
            )
        )
        return function

    return declare


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Give `TaskContext` its new name. Deprecated: use `punctual.Context`."""
        if name != "TaskContext":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(
            "app.task_types.TaskContext will be removed in the next release. Write `from punctual import Context`.",
            DeprecationWarning,
            stacklevel=2,
        )
        return Context

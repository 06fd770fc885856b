"""The task that runs in the current context, for its log lines: `contextvars` of the thread or asyncio task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging

    from punctual import Context

NOTHING: Mapping[str, Any] = {}

_running: ContextVar[Context | None] = ContextVar("running_task", default=None)
# Named so that `structlog.contextvars.merge_contextvars` finds them in the configuration of a user.
_task_id: ContextVar[Any] = ContextVar("structlog_task_id")
_task_type: ContextVar[Any] = ContextVar("structlog_type")
_attempt: ContextVar[Any] = ContextVar("structlog_attempt")


class _Structlog:
    """Whether the fields are also bound for structlog, which takes half a microsecond per task."""

    is_used = True


def bind_for_structlog(*, is_used: bool) -> None:
    """Bind the fields for `structlog.contextvars` only if a module of the user has configured structlog."""
    _Structlog.is_used = is_used


def enter(context: Context) -> None:
    """Set the running task of this context. The caller discards the context after the task."""
    _running.set(context)
    if _Structlog.is_used:
        _task_id.set(context.id)
        _task_type.set(context.type)
        _attempt.set(context.attempt)


def fields() -> Mapping[str, Any]:
    """Return the fields of a log line that name the running task; none where no task runs."""
    running = _running.get()
    return {"task_id": running.id, "type": running.type, "attempt": running.attempt} if running else NOTHING


class TaskRecords:
    """A factory of log records that name the running task, for users' formats and for log handlers in other threads.

    The attributes are `punctual_task_id`, `punctual_type` and `punctual_attempt`, empty where no task runs. Shorter
    names could collide with a user's `extra`, which `logging` refuses.
    """

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Make a record."""
        record = self._make(*args, **kwargs)
        running = _running.get()
        record.punctual_task_id = running.id if running else ""
        record.punctual_type = running.type if running else ""
        record.punctual_attempt = running.attempt if running else ""
        return record


def pop_fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """Remove the attributes of `TaskRecords` from a record; return the fields of the log line."""
    found = {name: record.__dict__.pop(f"punctual_{name}", "") for name in ("task_id", "type", "attempt")}
    return found if found["task_id"] else NOTHING

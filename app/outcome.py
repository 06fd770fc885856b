"""How attempts end: decided here, in code; the ledger writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.retry import retry_in_s
from app.task import TaskError, TaskState

if TYPE_CHECKING:
    from app.task import Attempt


class Outcome(msgspec.Struct, frozen=True):
    """The state that an attempt leaves its task in, for the holder of the claim with this token to write.

    `result` is JSON text. `retry_in_s` is set when `state` is `scheduled`: seconds from the write, by Postgres' clock.
    """

    id: str
    token: str
    state: TaskState
    result: str | None = None
    error: TaskError | None = None
    retry_in_s: float | None = None


def succeeded(task_id: str, token: str, result: str) -> Outcome:
    """The handler returned; `result` is JSON text."""
    return Outcome(task_id, token, TaskState.SUCCEEDED, result=result)


def failed(attempt: Attempt, error_type: str, message: str) -> Outcome:
    """The attempt failed: it is tried again while attempts are left."""
    pause_s = retry_in_s(attempt.attempt, attempt.max_attempts)
    state = TaskState.FAILED if pause_s is None else TaskState.SCHEDULED
    error = TaskError(error_type, message, attempt.attempt)
    return Outcome(attempt.id, attempt.token, state, error=error, retry_in_s=pause_s)


def cancelled(attempt: Attempt) -> Outcome:
    """The attempt was stopped because its task was to be cancelled; it is not tried again."""
    return Outcome(attempt.id, attempt.token, TaskState.CANCELLED)

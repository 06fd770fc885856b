"""The outcomes of attempts. They are decided here, and written by the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.retry import retry_in_s
from app.task import TaskError, TaskState

if TYPE_CHECKING:
    from app.task import Attempt


class Outcome(msgspec.Struct, frozen=True, gc=False):
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
    """Return the outcome of a handler that returned; `result` is JSON text."""
    return Outcome(task_id, token, TaskState.SUCCEEDED, result)


def failed(attempt: Attempt, error_type: str, message: str) -> Outcome:
    """Return the outcome of a failed attempt: another attempt while any is left, otherwise `failed`."""
    pause_s = retry_in_s(attempt.attempt, attempt.max_attempts)
    state = TaskState.FAILED if pause_s is None else TaskState.SCHEDULED
    error = TaskError(error_type, message, attempt.attempt)
    return Outcome(attempt.id, attempt.token, state, error=error, retry_in_s=pause_s)


def cancelled(attempt: Attempt) -> Outcome:
    """Return the outcome of an attempt that was stopped by a cancel request; it is not tried again."""
    return Outcome(attempt.id, attempt.token, TaskState.CANCELLED)

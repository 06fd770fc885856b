"""A task: what was asked, where it stands, and which states are final."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID  # noqa: TC003  # msgspec reads the annotations of Claim when it decodes one

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""No task is due before it."""


class TaskState(StrEnum):
    """A fact in Postgres; `docs/states.md` draws who changes it and how."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


FINAL_STATES = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.DELETED})


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger, as the API shows it. Instants are aware and UTC."""

    id: UUID
    type: str
    state: TaskState
    execute_at: datetime
    payload: dict[str, Any]
    timeout_s: float
    attempt: int
    max_attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    lag_ms: float | None
    worker_id: str | None
    result: Any
    error: dict[str, Any] | None

    @property
    def is_final(self) -> bool:
        """True when nothing but a person can change this task again."""
        return self.state in FINAL_STATES


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks for, validated; not yet in the ledger.

    `id` is a UUIDv7 as text. Exactly one of `execute_at` (aware) and `delay_s` (seconds from Postgres' now) is set.
    `payload` is JSON as text, `created_by` the API key.
    """

    id: str
    type: str
    execute_at: datetime | None
    delay_s: float | None
    payload: msgspec.Raw
    timeout_s: float
    max_attempts: int
    created_by: UUID | None = None


class Due(msgspec.Struct, frozen=True):
    """A hint for the schedule: this task of this type may start at this instant."""

    id: str
    type: str
    at: datetime


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """The right to run one attempt of one task, won by one conditional update."""

    id: str
    type: str
    payload: bytes
    attempt: int
    max_attempts: int
    timeout_s: float
    execute_at: datetime
    token: str
    asked_at: float  # seconds by the clock of the worker that asked, read before it asked


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim won over HTTP: the task, the token that proves it, and how long it holds."""

    task: Task
    claim_token: UUID
    lease_expires_at: datetime


class Outcome(msgspec.Struct, frozen=True):
    """How one attempt ended: `result` (JSON text) or `error` (type and message), never both."""

    id: str
    token: str
    result: str | None = None
    error: dict[str, str] | None = None

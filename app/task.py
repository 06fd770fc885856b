"""A task: the request, the state, the claim, and which states are final."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Raw

MAX_RESULT_BYTES = 256 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)
"""No task is due before it."""

Instant = Annotated[datetime, Meta(tz=True)]
"""With an offset, so that schemas have the format `date-time`."""

ERROR_TYPES = (
    "`handler_error`: the handler raised; `timeout`: it was killed; `worker_lost`: its worker died; `crashed`: its "
    "process died; `bad_result`: JSON cannot express what it returned; `result_too_large`; or the type that an outside "
    "worker reported."
)


class TaskState(StrEnum):
    """The state of a task. `succeeded`, `failed`, `cancelled` and `deleted` are final."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


FINAL_STATES = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.DELETED})


class TaskError(msgspec.Struct, frozen=True, gc=False):
    """How the last attempt failed."""

    type: Annotated[str, Meta(description=ERROR_TYPES)]
    message: str
    attempt: int


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task. Instants are UTC with `Z`. Payload and result are JSON text, which the service does not parse."""

    # The only list of the columns of a task. `{task}` in a statement selects these fields, in this order.
    id: Annotated[UUID, Meta(description="UUIDv7, made by the server.")]
    type: str
    state: TaskState
    execute_at: Annotated[Instant, Meta(description="The earliest start; never changed by the system.")]
    payload: Annotated[Raw, Meta(description="As it was sent.", extra_json_schema={"type": "object"})]
    timeout_s: float
    attempt: Annotated[int, Meta(description="Starts so far.")]
    max_attempts: int
    next_attempt_at: Annotated[Instant | None, Meta(description="When a failed attempt is tried again.")]
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    deleted_at: Instant | None
    lag_ms: Annotated[float | None, Meta(description="How late the first start was.")]
    worker_id: str | None
    result: Annotated[Any, Meta(description="What the handler returned.")]
    error: TaskError | None

    @classmethod
    def from_row(cls, *, state: str, error: dict[str, Any] | None, **columns: Any) -> Task:
        """Make a task from the columns of its row, by name."""
        return cls(state=TaskState(state), error=TaskError(**error) if error else None, **columns)

    @property
    def is_final(self) -> bool:
        """True when only a retry by hand can change this task again."""
        return self.state in FINAL_STATES


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """A validated request for a task that is not yet in the ledger.

    `id` is a UUIDv7 as text. Exactly one of `execute_at` (aware) and `delay_s` (seconds from Postgres' now) is set.
    `payload` is JSON as text, `created_by` the API key.
    """

    id: str
    type: str
    execute_at: datetime | None
    delay_s: float | None
    payload: Raw
    timeout_s: float
    max_attempts: int
    created_by: UUID | None = None

    def scheduled(self, execute_at: datetime, created_at: datetime) -> Task:
        """Return the task as Postgres has stored it: the requested columns, and null in all others."""
        known = UNSET_COLUMNS | {name: getattr(self, name) for name in ASKED_COLUMNS}
        return Task(**known | {"id": UUID(self.id)} | {"execute_at": execute_at, "created_at": created_at})


UNSET_COLUMNS: dict[str, Any] = dict.fromkeys(Task.__struct_fields__) | {"state": TaskState.SCHEDULED, "attempt": 0}
ASKED_COLUMNS = [name for name in NewTask.__struct_fields__ if name in Task.__struct_fields__]


class Due(msgspec.Struct, frozen=True, gc=False):
    """An entry of the due set: the instant at which a task may start."""

    id: str
    type: str
    at: datetime


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One attempt of one task, and the token that proves its claim."""

    id: str
    token: str
    attempt: int
    max_attempts: int


class Claim(Attempt, frozen=True, array_like=True, gc=False):
    """The right to run one attempt of one task, won by one conditional update."""

    type: str
    payload: str  # JSON
    timeout_s: float
    execute_at: datetime
    asked_at: float  # seconds by the clock of the worker that asked, read before it asked


class LostAttempt(Attempt, frozen=True):
    """An attempt that nothing runs any more: its worker is dead, or its lease has expired."""

    type: str
    worker_id: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim won over HTTP: the task, the token that proves it, and how long it holds."""

    task: Task
    claim_token: UUID
    lease_expires_at: datetime

    @classmethod
    def from_row(cls, *, claim_token: UUID, lease_expires_at: datetime, **columns: Any) -> Lease:
        """Make a lease from the columns of its task and of the claim, by name."""
        return cls(Task.from_row(**columns), claim_token, lease_expires_at)

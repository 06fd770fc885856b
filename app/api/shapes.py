"""The shapes of requests and answers, from which the OpenAPI schemas are made."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.api.instants import INSTANT_PATTERN
from app.task import Task, TaskState
from punctual.types import MAX_ATTEMPTS, MAX_TIMEOUT_S

MAX_DELAY_S = 10 * 365.25 * 86400
MAX_WAIT_S = 30
MAX_CLAIMS = 1000
MAX_BATCH = 10_000

TYPE_NAME = {"$ref": "#/components/schemas/TypeName"}
EXTERNAL_TYPE_NAME = {"$ref": "#/components/schemas/ExternalTypeName"}
InstantText = Annotated[
    str,
    Meta(
        description="RFC 3339, any offset, at most microseconds, from 1970 on.",
        extra_json_schema={"format": "date-time", "pattern": INSTANT_PATTERN},
    ),
]
TimeoutS = Annotated[float, Meta(gt=0, le=MAX_TIMEOUT_S, description="Killed when it runs longer.")]
# 3.0 is an integer in JSON Schema, and what some clients write; msgspec's int does not take it.
WHOLE = {"type": "integer"}
MaxAttempts = Annotated[
    float,
    Meta(ge=1, le=MAX_ATTEMPTS, multiple_of=1, description="How often it may start.", extra_json_schema=WHOLE),
]
ClaimLimit = Annotated[
    float,
    Meta(ge=1, le=MAX_CLAIMS, multiple_of=1, description="Answer a list of so many.", extra_json_schema=WHOLE),
]
WorkerId = Annotated[str, Meta(min_length=1, max_length=200, description="A name of the caller's choice.")]


def parameter(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """Return the OpenAPI object of a parameter of a query or a header."""
    return {"schema": schema, "description": description}


class NewTask(Struct, forbid_unknown_fields=True):
    """A task to create. Exactly one of `execute_at` and `delay_s` must be given."""

    type: Annotated[str, Meta(description="A registered type, in any letter case.")]
    execute_at: InstantText | UnsetType = UNSET
    delay_s: Annotated[float, Meta(ge=0, le=MAX_DELAY_S, description="Seconds from now.")] | UnsetType = UNSET
    payload: Annotated[dict[str, Any], Meta(description="As the type's schema says; at most 64 KiB.")] = {}
    timeout_s: TimeoutS | UnsetType = UNSET
    max_attempts: MaxAttempts | UnsetType = UNSET


class NewTasks(Struct, forbid_unknown_fields=True):
    """Tasks to create together: all of them or none."""

    tasks: Annotated[list[NewTask], Meta(min_length=1, max_length=MAX_BATCH)]


class CreatedTasks(Struct):
    """Tasks that were just created, in the order of the request."""

    ids: list[UUID]
    count: int


class ClaimNext(Struct, forbid_unknown_fields=True):
    """Who claims, and what."""

    worker_id: WorkerId
    type: Annotated[str, Meta(description="One external type; all of them if absent.")] | UnsetType = UNSET
    wait_s: Annotated[float, Meta(ge=0, le=MAX_WAIT_S, description="Wait so long for one to fall due.")] = 0.0
    limit: ClaimLimit | UnsetType = UNSET


class ClaimOne(Struct, forbid_unknown_fields=True):
    """Who claims."""

    worker_id: WorkerId


class Held(Struct, forbid_unknown_fields=True):
    """The proof of a claim."""

    claim_token: UUID


class Completion(Held, forbid_unknown_fields=True):
    """What came of it."""

    result: Annotated[Any, Meta(description="Any JSON, at most 256 KiB.")] = None


class Reason(Struct, forbid_unknown_fields=True):
    """Why it failed."""

    message: Annotated[str, Meta(max_length=10_000)]
    type: Annotated[str, Meta(min_length=1, max_length=100)] = "handler_error"


class Failure(Held, forbid_unknown_fields=True):
    """Why it failed; a text alone is the message."""

    error: Annotated[str, Meta(max_length=10_000)] | Reason


class CreatedTask(Task, frozen=True, kw_only=True):
    """A task that was just created: its id is there under a second name."""

    task_id: UUID


class TaskPage(Struct):
    """Some tasks in order, and where the next page begins."""

    tasks: list[Task]
    count: Annotated[int, Meta(description="Of this page.")]
    next_cursor: str | None


class Lease(Task, frozen=True, kw_only=True):
    """A claimed task, the proof of the claim, and how long it holds without a heartbeat."""

    claim_token: UUID
    lease_expires_at: datetime


class Leases(Struct):
    """Claimed tasks, the one due earliest first."""

    tasks: list[Lease]


class Heartbeat(Lease, frozen=True, kw_only=True):
    """The renewed lease, and whether the task should be given up."""

    cancel_requested: bool


Counts = Annotated[dict[TaskState, int], Meta(description="By state; 10,000 stands for as many or more.")]


class Type(Struct):
    """A registered task type, and how many tasks of it there are by state."""

    name: str
    payload_schema: dict[str, Any]
    timeout_s: float
    max_attempts: int
    isolation: Literal["process", "thread"]
    queue: str
    external: Annotated[bool, Meta(description="Only workers outside, over HTTP, run it.")]
    counts: Counts


class TypeList(Struct):
    """All registered types by name."""

    types: list[Type]


class Lateness(Struct):
    """How late tasks began."""

    tasks: Annotated[int, Meta(description="How many began.")]
    since: Annotated[datetime | None, Meta(description="When the first of them was due.")]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Punctuality(Lateness, kw_only=True):
    """How late tasks began that were due within the last `window_s`: the latest `counted_up_to` of them."""

    window_s: float
    by_type: Annotated[dict[str, Lateness], Meta(description="Of the types that were due.")]
    early_total: Annotated[
        int, Meta(description="Starts before their time, of all tasks that are kept: a broken promise.")
    ]


class Backlog(Struct):
    """What waits. Null is what only Redis knows, while it is away."""

    due: Annotated[int, Meta(description="Scheduled, and their time has come; 10,000 stands for as many or more.")]
    on_schedule: Annotated[int | None, Meta(description="In Redis, to fall due within the window.")]
    delivered: Annotated[int | None, Meta(description="On their way to a worker.")]
    rq_queues: Annotated[dict[str, int] | None, Meta(description="Envelopes that no worker has taken, by queue.")]


class Worker(Struct):
    """A worker process, as its heartbeat tells."""

    id: str
    queue: str
    slots: int
    silent_s: float
    alive: bool


class Stats(Struct):
    """How the service fares."""

    measured_at: datetime
    counted_up_to: Annotated[int, Meta(description="No count goes beyond; this number stands for as many or more.")]
    by_state: Counts
    by_type: Annotated[dict[str, Counts], Meta(description="Of registered types; those without tasks are left out.")]
    oldest_overdue_s: Annotated[float, Meta(description="How late the oldest task is that should have begun; 0: none.")]
    punctuality: Punctuality
    backlog: Backlog
    redis: Literal["ok", "away"]
    workers: list[Worker]
    counters: Annotated[dict[str, int], Meta(description="What went wrong or was put right, since the beginning.")]


class Health(Struct):
    """This process lives."""

    status: Literal["alive"]


class Readiness(Struct):
    """Everything it needs is there; warnings name what should be set differently."""

    status: Literal["ready"]
    checks: dict[str, str]
    warnings: list[str]


class Problem(Struct):
    """An error (RFC 9457)."""

    type: Annotated[str, Meta(description="The path of a page about this kind of error.")]
    title: str
    status: int
    detail: str
    details: Annotated[dict[str, Any], Meta(description="Field errors, the state that refused, allowed values.")]
    request_id: str


ANSWERS = (CreatedTasks, CreatedTask, TaskPage, Lease, Leases, Heartbeat, TypeList, Stats, Health, Readiness, Problem)
REQUESTS = (NewTask, NewTasks, ClaimNext, ClaimOne, Held, Completion, Failure)


def schemas() -> dict[str, Any]:
    """Return the OpenAPI schemas of all shapes by name."""
    _, found = msgspec.json.schema_components([*ANSWERS, *REQUESTS, Task], ref_template="#/components/schemas/{name}")
    return found

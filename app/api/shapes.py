"""The shapes of requests and answers, from which the OpenAPI schemas are made."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.api.instants import INSTANT_PATTERN
from app.task import Instant, Task, TaskState
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
        description="RFC 3339, with an offset. Digits beyond microseconds are rounded up. A past time means now.",
        extra_json_schema={"format": "date-time", "pattern": INSTANT_PATTERN},
    ),
]
TimeoutS = Annotated[
    float,
    Meta(
        gt=0, le=MAX_TIMEOUT_S, description="Seconds after which an attempt is killed. The default is that of the type."
    ),
]
MaxAttempts = Annotated[
    int, Meta(ge=1, le=MAX_ATTEMPTS, description="Maximum number of attempts. The default is that of the type.")
]
ClaimLimit = Annotated[int, Meta(ge=1, le=MAX_CLAIMS, description="Return a list of up to this many tasks.")]
WorkerId = Annotated[str, Meta(min_length=1, max_length=200, description="A name of the caller's choice.")]


def parameter(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """Return the OpenAPI object of a parameter of a query or a header."""
    return {"schema": schema, "description": description}


class NewTask(Struct, forbid_unknown_fields=True):
    """A task to create. Exactly one of `execute_at` and `delay_s` must be given."""

    type: Annotated[str, Meta(description="A registered type, in any letter case.")]
    execute_at: InstantText | UnsetType = UNSET
    delay_s: (
        Annotated[float, Meta(ge=0, le=MAX_DELAY_S, description="Seconds from now, instead of `execute_at`.")]
        | UnsetType
    ) = UNSET
    payload: Annotated[
        dict[str, Any], Meta(description="Matches the schema of its type; at most 64 KiB. The default is {}.")
    ] = {}
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
    """A claim of the tasks that are due earliest."""

    worker_id: WorkerId
    type: Annotated[str, Meta(description="An external type. The default is all of them.")] | UnsetType = UNSET
    wait_s: Annotated[
        float,
        Meta(ge=0, le=MAX_WAIT_S, description="How many seconds to wait for a due task, 25 at most. The default is 0."),
    ] = 0.0
    limit: ClaimLimit | UnsetType = UNSET


class ClaimOne(Struct, forbid_unknown_fields=True):
    """A claim of one task."""

    worker_id: WorkerId


class Held(Struct, forbid_unknown_fields=True):
    """The proof of a claim."""

    claim_token: UUID


class Completion(Held, forbid_unknown_fields=True):
    """The result of a claimed task."""

    result: Annotated[Any, Meta(description="Any JSON, at most 256 KiB. The default is null.")] = None


class Reason(Struct, forbid_unknown_fields=True):
    """The error of a failed attempt."""

    message: Annotated[str, Meta(max_length=10_000)]
    type: Annotated[str, Meta(min_length=1, max_length=100, description="The default is `handler_error`.")] = (
        "handler_error"
    )


class Failure(Held, forbid_unknown_fields=True):
    """The error of a failed attempt; text alone is its message."""

    error: Annotated[str, Meta(max_length=10_000)] | Reason


class CreatedTask(Task, frozen=True, kw_only=True):
    """A task that was just created. `task_id` repeats its id, in this answer only."""

    task_id: UUID


class TaskPage(Struct):
    """A page of tasks in order. `next_cursor` is the cursor of the next page."""

    tasks: list[Task]
    count: Annotated[int, Meta(description="Tasks on this page.")]
    next_cursor: str | None


class Lease(Task, frozen=True, kw_only=True):
    """A claimed task, the token that proves the claim, and when the claim expires without a heartbeat."""

    claim_token: UUID
    lease_expires_at: Instant


class Leases(Struct):
    """Claimed tasks, the one that was due earliest first."""

    tasks: list[Lease]


class Heartbeat(Lease, frozen=True, kw_only=True):
    """The extended lease. If `cancel_requested` is true, stop the task and report that it failed."""

    cancel_requested: bool


Counts = Annotated[dict[TaskState, int], Meta(description="Tasks by state; 10,000 means 10,000 or more.")]


class Type(Struct):
    """A registered task type, and the number of its tasks by state."""

    name: str
    payload_schema: dict[str, Any]
    timeout_s: float
    max_attempts: int
    isolation: Literal["process", "thread"]
    queue: str
    external: Annotated[bool, Meta(description="Run only by outside workers, over HTTP.")]
    counts: Counts


class TypeList(Struct):
    """All registered types, ordered by name."""

    types: list[Type]


class Lateness(Struct):
    """How late tasks started."""

    tasks: Annotated[int, Meta(description="Number of tasks that started.")]
    since: Annotated[Instant | None, Meta(description="When the first of them was due.")]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Punctuality(Lateness, kw_only=True):
    """Lateness of the tasks that were due within the last `window_s`, at most the latest `counted_up_to` of them."""

    window_s: float
    by_type: Annotated[dict[str, Lateness], Meta(description="The same by type.")]
    early_total: Annotated[int, Meta(description="Tasks that started before their time. Must be 0.")]


class Backlog(Struct):
    """Tasks that wait. Numbers from Redis are null while it is unavailable."""

    due: Annotated[int, Meta(description="Scheduled tasks that are due; 10,000 means 10,000 or more.")]
    on_schedule: Annotated[int | None, Meta(description="Task ids in the due sets of Redis: due within the window.")]
    delivered: Annotated[
        int | None, Meta(description="Task ids that were delivered to workers and are not yet claimed.")
    ]
    rq_queues: Annotated[dict[str, int] | None, Meta(description="RQ jobs that no worker has received, by queue.")]


class Worker(Struct):
    """A worker process, by its last heartbeat."""

    id: str
    queue: str
    slots: int
    silent_s: float
    trouble: Annotated[str | None, Meta(description="Why it runs no or fewer tasks; null without a fault.")]
    alive: bool


class Stats(Struct):
    """Statistics of the service."""

    measured_at: Instant
    counted_up_to: Annotated[
        int, Meta(description="Counting stops at this number, which then means this many or more.")
    ]
    by_state: Counts
    by_type: Annotated[
        dict[str, Counts], Meta(description="Tasks by registered type and state, without types that have no tasks.")
    ]
    oldest_overdue_s: Annotated[
        float, Meta(description="Seconds by which the oldest due task is late; 0 if there is none.")
    ]
    punctuality: Punctuality
    backlog: Backlog
    redis: Literal["ok", "away"]
    workers: list[Worker]
    counters: Annotated[dict[str, int], Meta(description="Faults and repairs since the installation.")]


class Health(Struct):
    """This process is alive."""

    status: Literal["alive"]


class Readiness(Struct):
    """All checks passed; `warnings` names settings that should be corrected."""

    status: Literal["ready"]
    checks: dict[str, str]
    warnings: list[str]


class Problem(Struct):
    """An error (RFC 9457, problem details)."""

    type: Annotated[str, Meta(description="The path of the page that explains this kind of error.")]
    title: str
    status: int
    detail: str
    details: Annotated[
        dict[str, Any],
        Meta(description="More about the error: messages by field, allowed values, the state of the task."),
    ]
    request_id: str


ANSWERS = (CreatedTasks, CreatedTask, TaskPage, Lease, Leases, Heartbeat, TypeList, Stats, Health, Readiness, Problem)
REQUESTS = (NewTask, NewTasks, ClaimNext, ClaimOne, Held, Completion, Failure)


def schemas() -> dict[str, Any]:
    """Return the OpenAPI schemas of all shapes by name."""
    _, found = msgspec.json.schema_components([*ANSWERS, *REQUESTS, Task], ref_template="#/components/schemas/{name}")
    for schema in found.values():
        _adapt_to_generators(schema)
    return found


def _adapt_to_generators(schema: Any) -> None:
    """Add what client generators need: the type of enums, and that open objects have other properties.

    Defaults are removed, because a generator for TypeScript makes properties with a default mandatory.
    """
    if isinstance(schema, list):
        for each in schema:
            _adapt_to_generators(each)
    if not isinstance(schema, dict):
        return
    if "enum" in schema:
        schema.setdefault("type", "string")
    if schema.get("type") == "object" and "properties" not in schema:
        schema.setdefault("additionalProperties", True)
    schema.pop("default", None)
    for inner in schema.values():
        _adapt_to_generators(inner)

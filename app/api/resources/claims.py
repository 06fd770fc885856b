"""Claims: how outside workers, in any language, claim tasks and report their outcomes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import orjson
from msgspec import UNSET

from app.api import shapes
from app.api.answers import json_answer, lease_fields, no_content
from app.api.exchange import current_exchange
from app.api.middleware import name_task
from app.api.openapi.operation import Operation
from app.api.openapi.resource import TASK, Resource
from app.api.reading.field_errors import FieldErrors
from app.api.reading.requests import query, read_body, read_id, read_whole, read_whole_and_text, type_reader
from app.api.services import services
from app.api.shapes import TYPE_NAME, parameter
from app.api.waiting import TasksDue
from app.api_key import Scope
from app.errors import ClaimLost, ResultTooLarge, TaskDeleted, TaskNotClaimable, TaskNotFound, TooManyWaiting
from app.ledger.tasks import next_scheduled
from app.task import MAX_RESULT_BYTES, Task

if TYPE_CHECKING:
    from flask import Response

    from app.task import Lease

claims = Resource("Claims", __name__, "For outside workers, in any language: claim tasks and report their results.")

MAX_RESULT_BODY_BYTES = 512 * 1024
TYPE = parameter(TYPE_NAME, "Only tasks of this type.")
HOLDING = (TaskNotFound, ClaimLost)


@claims.operation(
    "GET",
    "/tasks/next",
    Operation(
        summary="Show the next task",
        scope=Scope.WORKER,
        query={"type": TYPE},
        answers={200: (Task,), 204: ()},
    ),
)
def show_next_task() -> Response:
    """Show the earliest scheduled task, due or not, without claiming it. 204 if there is none."""
    errors = FieldErrors()
    kind = query(("type",), errors).one("type", type_reader(services().types.names))
    errors.refuse()
    task = next_scheduled(services().engine, [kind] if kind else None)
    return json_answer(task) if task else no_content()


@claims.operation(
    "POST",
    "/tasks/claim",
    Operation(
        summary="Claim the next due task",
        scope=Scope.WORKER,
        body=shapes.ClaimNext,
        answers={200: (shapes.Lease, shapes.Leases), 204: ()},
        refusals=(TooManyWaiting,),
    ),
)
def claim_next_task() -> Response:
    """Claim the task that was due earliest; with `limit`, up to that number, as `{"tasks": [...]}`. 204 if none is due.

    With `wait_s`, wait for one, at most 25 s. Requests that wait for a type are served in the order of their arrival.
    """
    errors = FieldErrors()
    asked = read_body(shapes.ClaimNext, errors)
    names = _types_to_claim(asked, errors)
    errors.refuse()
    claimed = _claim(asked, names)
    if not claimed:
        return no_content()
    if asked.limit is not UNSET:
        return json_answer({"tasks": [lease_fields(lease) for lease in claimed]})
    name_task(claimed[0].task.id)
    return json_answer(lease_fields(claimed[0]))


@claims.operation(
    "POST",
    f"{TASK}/claim",
    Operation(
        summary="Claim a task",
        scope=Scope.WORKER,
        body=shapes.ClaimOne,
        answers={200: (shapes.Lease,)},
        refusals=(TaskNotFound, TaskDeleted, TaskNotClaimable),
    ),
)
def claim_task(task_id: str) -> Response:
    """The task must be due, and its type must be external."""
    found, asked = read_id(task_id), read_whole(shapes.ClaimOne)
    (claimed,) = _handed_back_if_undelivered(
        lambda: [services().operations.claim_one(found, worker_id=asked.worker_id)]
    )
    return json_answer(lease_fields(claimed))


@claims.operation(
    "POST",
    f"{TASK}/heartbeat",
    Operation(
        summary="Extend a lease",
        scope=Scope.WORKER,
        body=shapes.Held,
        answers={200: (shapes.Heartbeat,)},
        refusals=HOLDING,
    ),
)
def extend_lease(task_id: str) -> Response:
    """Extend the lease to twice the task's timeout from now."""
    found, held = read_id(task_id), read_whole(shapes.Held)
    lease, cancel_requested = services().operations.extend_lease(found, held.claim_token)
    return json_answer({**lease_fields(lease), "cancel_requested": cancel_requested})


@claims.operation(
    "POST",
    f"{TASK}/complete",
    Operation(
        summary="Report success",
        scope=Scope.WORKER,
        body=shapes.Completion,
        max_body_bytes=MAX_RESULT_BODY_BYTES,
        answers={200: (Task,)},
        refusals=(*HOLDING, ResultTooLarge),
    ),
)
def complete_task(task_id: str) -> Response:
    """End the task as `succeeded`, with a result."""
    found = read_id(task_id)
    done, result = read_whole_and_text(shapes.Completion, "result")
    if len(result) > MAX_RESULT_BYTES and len(orjson.dumps(done.result)) > MAX_RESULT_BYTES:
        raise ResultTooLarge(bytes=len(result), limit=MAX_RESULT_BYTES)
    return json_answer(services().operations.complete(found, done.claim_token, result.decode()))


@claims.operation(
    "POST",
    f"{TASK}/fail",
    Operation(
        summary="Report failure",
        scope=Scope.WORKER,
        body=shapes.Failure,
        answers={200: (Task,)},
        refusals=HOLDING,
    ),
)
def fail_task(task_id: str) -> Response:
    """End the attempt as failed. While attempts are left, the task is tried again; otherwise it ends as `failed`."""
    found, failed = read_id(task_id), read_whole(shapes.Failure)
    reason = shapes.Reason(failed.error) if isinstance(failed.error, str) else failed.error
    return json_answer(
        services().operations.fail(found, failed.claim_token, error_type=reason.type, message=reason.message)
    )


@claims.operation(
    "POST",
    f"{TASK}/release",
    Operation(
        summary="Release a claim",
        scope=Scope.WORKER,
        body=shapes.Held,
        answers={200: (Task,)},
        refusals=HOLDING,
    ),
)
def release_task(task_id: str) -> Response:
    """Return a claimed task whose work has not started. The attempt is not counted."""
    found, held = read_id(task_id), read_whole(shapes.Held)
    return json_answer(services().operations.hand_back(found, held.claim_token))


def _types_to_claim(asked: shapes.ClaimNext, errors: FieldErrors) -> list[str]:
    """Return the type that was asked for, or all external ones; any other type is an error."""
    external = sorted(kind.name for kind in services().types.external)
    if not isinstance(asked.type, str):
        return external
    name = errors.read("type", type_reader(external), asked.type)
    return [name] if name else []


def _claim(asked: shapes.ClaimNext, types: list[str]) -> list[Lease]:
    """Claim due tasks, the earliest first. Return an empty list if none is due or the answer is held."""
    exchange, limit = current_exchange(), 1 if asked.limit is UNSET else int(asked.limit)
    wanted = TasksDue(tuple(types), limit)
    if exchange.is_behind(wanted):
        exchange.hold(wanted, within_s=asked.wait_s)
    if exchange.is_held or exchange.has_nothing:
        return []
    if exchange.client_is_gone or services().stopping.is_set():
        return []
    operations = services().operations
    claimed = _handed_back_if_undelivered(
        lambda: operations.claim_due(worker_id=asked.worker_id, types=types, limit=limit)
    )
    if not claimed and asked.wait_s:
        exchange.hold(wanted, within_s=asked.wait_s)
    return claimed


def _handed_back_if_undelivered(claim: Callable[[], list[Lease]]) -> list[Lease]:
    """Claim. If the client disconnects before it is answered, the claims are handed back."""
    exchange = current_exchange()
    exchange.watch_client()
    claimed = claim()
    exchange.undo = partial(services().operations.hand_back_undelivered, claimed) if claimed else None
    return claimed

"""Tasks: create, list, show, delete."""

from __future__ import annotations

import threading

from flask import Response, request

from app.api import shapes
from app.api.answers import created_answer, json_answer, no_content
from app.api.auth.gate import caller_id, caller_key
from app.api.exchange import current_exchange
from app.api.middleware import name_task
from app.api.openapi.operation import Operation
from app.api.openapi.resource import TASK, Resource
from app.api.reading.field_errors import FieldErrors
from app.api.reading.listing import FIRST_ROWS, PARAMETERS, link_to_next, read_list_query, read_page
from app.api.reading.payloads import MAX_PAYLOAD_BYTES
from app.api.reading.requests import prefers_minimal, query, read_id, read_json_bytes, read_wait
from app.api.reading.tasks import read_new_task, read_new_tasks
from app.api.services import services
from app.api.shapes import parameter
from app.api.waiting import TaskFinal
from app.api_key import Scope
from app.errors import TaskDeleted, TaskNotDeletable, TaskNotFound, TooBusy, TooManyPending, TooManyWaiting
from app.ledger import tasks as ledger
from app.task import Task

tasks = Resource("Tasks", __name__, "Create, list, show and delete tasks.")

MAX_TASK_BYTES = 6 * MAX_PAYLOAD_BYTES + 64 * 1024  # a payload in which each character is an escape like \u003c
MAX_BATCH_BYTES = 8 * 1024 * 1024
READERS = threading.BoundedSemaphore(2)  # a large batch takes ten times its size while it is read
MAX_TURN_S = 1.0
WAIT_S = parameter(
    {"type": "number", "minimum": 0, "maximum": 30, "default": 0},
    "How many seconds to wait for a final state, 25 at most.",
)
PREFER = parameter(
    {"type": "string"}, "`return=minimal` returns 204 without a body; other preferences are ignored (RFC 7240)."
)


@tasks.operation(
    "POST",
    "/tasks",
    Operation(
        summary="Create a task",
        scope=Scope.WRITE,
        body=shapes.NewTask,
        max_body_bytes=MAX_TASK_BYTES,
        answers={201: (shapes.CreatedTask,)},
        answer_headers={201: ("Location",)},
        refusals=(TooManyPending, TooBusy),
    ),
)
def create_task() -> Response:
    """Give `execute_at` or `delay_s`. A time in the past means as soon as possible. 201 depends on Postgres alone."""
    new = read_new_task(read_json_bytes(), services().types, created_by=caller_id())
    name_task(new.id)
    services().pending.allow(caller_key())
    status, headers, body = created_answer(services().creator.create(new), request.script_root)
    return Response(body, status, headers)


@tasks.operation(
    "POST",
    "/tasks/batch",
    Operation(
        summary="Create many tasks",
        scope=Scope.WRITE,
        body=shapes.NewTasks,
        max_body_bytes=MAX_BATCH_BYTES,
        answers={201: (shapes.CreatedTasks,)},
        refusals=(TooManyPending, TooBusy),
    ),
)
def create_tasks() -> Response:
    """Create 1 to 10,000 tasks, all or none, in a body of at most 8 MiB. The ids are in the order of the request."""
    if not READERS.acquire(timeout=MAX_TURN_S):
        raise TooBusy
    try:
        new = read_new_tasks(read_json_bytes(), services().types, created_by=caller_id())
    finally:
        READERS.release()
    services().pending.allow(caller_key(), len(new))
    services().operations.create_together(new)
    return json_answer({"ids": [each.id for each in new], "count": len(new)}, 201)


@tasks.operation(
    "GET",
    "/tasks",
    Operation(
        summary="List tasks",
        scope=Scope.READ,
        query=PARAMETERS,
        answers={200: (shapes.TaskPage,)},
        answer_headers={200: ("Link",)},
    ),
)
def list_tasks() -> Response:
    """Filters combine with AND; an empty value counts as absent. A page of large tasks may have fewer than `limit`."""
    asked, exchange = read_list_query(), current_exchange()
    if asked.limit > FIRST_ROWS:
        exchange.watch_client()
    page = read_page(services().engine, asked, is_over=lambda: exchange.client_is_gone)
    headers = {"Link": link_to_next(page.next_cursor)} if page.next_cursor else None
    return json_answer({"tasks": page.tasks, "count": len(page.tasks), "next_cursor": page.next_cursor}, 200, headers)


@tasks.operation(
    "GET",
    TASK,
    Operation(
        summary="Show a task",
        scope=Scope.READ,
        query={"wait_s": WAIT_S},
        answers={200: (Task,)},
        refusals=(TaskNotFound, TaskDeleted, TooManyWaiting),
    ),
)
def show_task(task_id: str) -> Response:
    """With `wait_s`, answer when the state is final or the time is over, after at most 25 s."""
    found, errors = read_id(task_id), FieldErrors()
    wait_s = query(("wait_s",), errors).one("wait_s", read_wait, 0.0)
    errors.refuse()
    task = ledger.show(services().engine, found)
    if wait_s and not task.is_final:
        current_exchange().hold(TaskFinal(found), within_s=wait_s)
    return json_answer(task)


@tasks.operation(
    "DELETE",
    TASK,
    Operation(
        summary="Delete a task",
        scope=Scope.WRITE,
        headers={"Prefer": PREFER},
        answers={200: (Task,), 204: ()},
        answer_headers={204: ("Preference-Applied",)},
        refusals=(TaskNotFound, TaskNotDeletable),
    ),
)
def delete_task(task_id: str) -> Response:
    """200 means that the task never ran and never will. Repeating the request gives the same answer."""
    task = services().operations.delete(read_id(task_id))
    if prefers_minimal():
        return no_content({"Preference-Applied": "return=minimal"})
    return json_answer(task)

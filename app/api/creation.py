"""The one way to create a task over HTTP, for the view and the fast path: the limit of the key, the answer of a 201."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from app.api.answers import JSON, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.api.services import Services
    from app.api_key import ApiKey
    from app.task import NewTask, Task

Created = TypeVar("Created")


def create_task(services: Services, new: NewTask, key: ApiKey | None, submit: Callable[[NewTask], Created]) -> Created:
    """Create a task for the holder of a key.

    `submit` is a method of `services.creator`: `create` blocks until the task is committed, `submit_from_loop` returns
    a future. For a key with `max_pending` this call may ask Postgres, and so block, in either case.

    Raises:
        TooManyPending, LedgerAway, and what `submit` raises.
    """
    services.pending.allow(key)
    return submit(new)


def created_answer(task: Task) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the status, headers and body of a 201: where the task is, and the task with its id under a second name."""
    headers = [("Content-Type", JSON), ("Location", f"/tasks/{task.id}")]
    return 201, headers, encode(msgspec.structs.asdict(task) | {"task_id": task.id})

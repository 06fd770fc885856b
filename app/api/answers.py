"""Answers in JSON: tasks field by field, instants in UTC with `Z` and microseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from flask import Response

if TYPE_CHECKING:
    from app.task import Lease, Task

JSON = "application/json"


def encode(body: Any) -> bytes:
    """Encode an answer; a struct becomes an object of its fields."""
    try:
        return orjson.dumps(body, default=_parts, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits in the schema of a type
        return msgspec.json.encode(body)


def _parts(value: Any) -> Any:
    """Return the fields of a struct, or JSON text to be written as it is."""
    return orjson.Fragment(bytes(value)) if type(value) is msgspec.Raw else msgspec.structs.asdict(value)


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Make an answer with a JSON body."""
    return Response(encode(body), status, headers, mimetype=JSON)


def created_answer(task: Task, prefix: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the status, headers and body of a 201: the path of the task, and the task with its id also as `task_id`.

    `prefix` is the prefix of the paths that clients see.
    """
    headers = [("Content-Type", JSON), ("Location", f"{prefix}/tasks/{task.id}")]
    return 201, headers, encode(msgspec.structs.asdict(task) | {"task_id": task.id})


def no_content(headers: dict[str, str] | None = None) -> Response:
    """Make a 204."""
    response = Response(status=204, headers=headers)
    del response.headers["Content-Type"]
    return response


def lease_fields(lease: Lease) -> dict[str, Any]:
    """Return the fields of a claimed task, with its claim token and the end of its lease."""
    proof = {"claim_token": lease.claim_token, "lease_expires_at": lease.lease_expires_at}
    return msgspec.structs.asdict(lease.task) | proof

"""Turns tasks into answers: JSON, UTC with `Z`, microseconds kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from flask import Response

if TYPE_CHECKING:
    from app.task import Lease, Task

JSON = "application/json"


def encode(body: Any) -> bytes:
    """JSON. Tasks are structs, encoded field by field; whatever handlers have put into their results is taken, too."""
    try:
        return orjson.dumps(body, default=msgspec.structs.asdict, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:  # more than 254 levels: one handler's result must not spoil a whole list
        return msgspec.json.encode(body)


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Any answer. Tasks are encoded field by field as they stand."""
    return Response(encode(body), status, headers, mimetype=JSON)


def created(task: Task) -> Response:
    """201, where to find it, and its id under a second name."""
    return Response(created_body(task), 201, {"Location": location(task)}, mimetype=JSON)


def created_body(task: Task) -> bytes:
    """A new task as its creator is told."""
    return encode(msgspec.structs.asdict(task) | {"task_id": task.id})


def location(task: Task) -> str:
    """Where it is."""
    return f"/tasks/{task.id}"


def lease_fields(lease: Lease) -> dict[str, Any]:
    """A claimed task with its token and the end of its lease beside its fields."""
    proof = {"claim_token": lease.claim_token, "lease_expires_at": lease.lease_expires_at}
    return msgspec.structs.asdict(lease.task) | proof


def nothing(headers: dict[str, str] | None = None) -> Response:
    """204."""
    response = Response(status=204, headers=headers)
    del response.headers["Content-Type"]
    return response

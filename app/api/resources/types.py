"""The registered task types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.api import shapes
from app.api.answers import json_answer
from app.api.openapi.operation import Operation
from app.api.openapi.resource import Resource
from app.api.services import services
from app.api_key import Scope
from app.ledger.tasks import counts

if TYPE_CHECKING:
    from flask import Response

    from app.task_types import TaskType

types = Resource("Types", __name__, "What can be scheduled.")


@types.operation(
    "GET", "/types", Operation(summary="List task types", scope=Scope.READ, answers={200: (shapes.TypeList,)})
)
def list_() -> Response:
    """Each with the JSON Schema of its payload, its limits, and its tasks by state."""
    found = counts(services().engine)
    known = services().types
    return json_answer({"types": [_described(known[name], found) for name in known.names]})


def _described(kind: TaskType, found: dict[tuple[str, str], int]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "payload_schema": kind.payload_schema,
        "timeout_s": kind.timeout_s,
        "max_attempts": kind.max_attempts,
        "isolation": kind.isolation,
        "queue": kind.queue,
        "external": kind.external,
        "counts": {state: number for (name, state), number in sorted(found.items()) if name == kind.name},
    }

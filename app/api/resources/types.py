"""The registered task types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.api import shapes
from app.api.answers import json_answer
from app.api.openapi.operation import Operation
from app.api.openapi.resource import Resource
from app.api.services import services
from app.api_key import Scope

if TYPE_CHECKING:
    from flask import Response

    from app.task import TaskState
    from app.task_types import TaskType

types = Resource("Types", __name__, "Registered task types.")


@types.operation(
    "GET", "/types", Operation(summary="List task types", scope=Scope.READ, answers={200: (shapes.TypeList,)})
)
def list_types() -> Response:
    """List each type with the JSON Schema of its payload, its limits, and the number of its tasks by state."""
    found = services().statistics.counts().of_type
    known = services().types
    return json_answer({"types": [_described(known[name], found.get(name, {})) for name in known.names]})


def _described(kind: TaskType, counts: Mapping[TaskState, int]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "payload_schema": kind.payload_schema,
        "timeout_s": kind.timeout_s,
        "max_attempts": kind.max_attempts,
        "isolation": kind.isolation,
        "queue": kind.queue,
        "external": kind.external,
        "counts": counts,
    }

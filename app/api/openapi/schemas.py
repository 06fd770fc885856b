"""The schemas of the OpenAPI document: those of the shapes, and what only a running service knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.api import shapes

if TYPE_CHECKING:
    from app.task_types import TaskTypes

TYPE_NAME = {"$ref": "#/components/schemas/TypeName"}
EXTERNAL_TYPE_NAME = {"$ref": "#/components/schemas/ExternalTypeName"}
ONE_TIME = [{"required": ["execute_at"]}, {"required": ["delay_s"]}]


def schemas(types: TaskTypes) -> dict[str, Any]:
    """All by name; the registered types are those of this service."""
    found = shapes.schemas()
    found["NewTask"]["properties"]["type"] = TYPE_NAME
    found["NewTask"]["oneOf"] = ONE_TIME
    found["ClaimNext"]["properties"]["type"] = EXTERNAL_TYPE_NAME
    names = {
        "TypeName": _names(types.names, "A registered type; any letter case is accepted."),
        "ExternalTypeName": _names(
            sorted(each.name for each in types.external), "A type that only outside workers run; all of them if absent."
        ),
    }
    return found | names


def _names(names: list[str], description: str) -> dict[str, Any]:
    """No enum without names: JSON Schema forbids an empty one."""
    return {"type": "string", "description": description} | ({"enum": names} if names else {})

"""The OpenAPI document: the operations, the schemas of their shapes, and the task types of this service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, request
from flask_smorest import Api

from app.api import shapes
from app.api.answers import JSON
from app.api.openapi.operation import SECURITY_SCHEME
from app.api.openapi.resource import TaskIdConverter

if TYPE_CHECKING:
    from flask import Flask

    from app.api.openapi.resource import Resource
    from app.task_types import TaskTypes

TITLE = "Punctual"
VERSION = "1"
ABOUT = (
    "Runs tasks at the time you ask for. Times are RFC 3339 with an offset; answers are in UTC with `Z`. Every error "
    "is `application/problem+json` (RFC 9457), and its `type` is the path of a page that explains it."
)
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The id that the request sent, or a new one.", "schema": {"type": "string"}},
    "Location": {"description": "The path of the task.", "schema": {"type": "string", "format": "uri-reference"}},
    "Link": {"description": 'The URL of the next page, `rel="next"`.', "schema": {"type": "string"}},
    "Preference-Applied": {"description": "`return=minimal`", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}},
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, created with `python -m app keys create`. Each operation names the scope that it "
    "needs; `admin` includes all. No key is needed with `AUTH=off`, nor in development on a loopback address.",
}


class DocumentedApi(Api):  # type: ignore[misc]  # flask-smorest has no types
    """Flask-smorest without its own errors, pages and ETags: each operation declares its own answers."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave errors to `app.api.errors`."""

    def _register_responses(self) -> None:
        """Keep flask-smorest's error schema out of the document."""

    def _register_etag_headers(self) -> None:
        """Keep its headers out of the document."""

    def _register_pagination_header(self) -> None:
        """Keep its header out of the document."""


def publish(app: Flask, types: TaskTypes, resources: tuple[Resource, ...]) -> None:
    """Register the resources, and serve their document at `/openapi.json`."""
    app.config |= {"API_TITLE": TITLE, "API_VERSION": VERSION, "OPENAPI_VERSION": "3.1.0"}
    app.url_map.converters["task"] = TaskIdConverter
    api = DocumentedApi(app, spec_kwargs={"info": {"description": ABOUT}})
    for name, schema in _schemas(types).items():
        api.spec.components.schema(name, schema)
    for name, header in HEADERS.items():
        api.spec.components.header(name, header)
    api.spec.components.security_scheme(SECURITY_SCHEME, BEARER)
    for resource in resources:
        api.register_blueprint(resource)
    document = api.spec.to_dict()

    def show() -> Response:
        """Return the document. Its server is the path prefix of this request."""
        described = document | {"servers": [{"url": request.script_root or "/"}]}
        return Response(orjson.dumps(described, option=orjson.OPT_NON_STR_KEYS), mimetype=JSON)

    app.add_url_rule("/openapi.json", "openapi", show)


def _schemas(types: TaskTypes) -> dict[str, Any]:
    """Return all schemas by name, with the names of the registered types."""
    schemas = shapes.schemas()
    schemas["NewTask"]["properties"]["type"] = shapes.TYPE_NAME
    schemas["ClaimNext"]["properties"]["type"] = shapes.EXTERNAL_TYPE_NAME
    names = {
        "TypeName": _enum(types.names, "A registered type; any letter case is accepted."),
        "ExternalTypeName": _enum(
            sorted(each.name for each in types.external),
            "A type that only outside workers run. The default is all of them.",
        ),
    }
    return schemas | names


def _enum(names: list[str], description: str) -> dict[str, Any]:
    """Return the schema of one of these names. JSON Schema forbids an empty enum.

    Client generators derive identifiers from the names, and drop one of two names with the same identifier.
    """
    differ = len({re.sub("[^a-z0-9]", "_", name) for name in names}) == len(names)
    return {"type": "string", "description": description} | ({"enum": names} if names and differ else {})

"""The OpenAPI document, and Swagger UI to read it with; nothing comes from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, render_template
from flask_smorest import Api

from app.api.answers import JSON
from app.api.openapi.operation import SECURITY_SCHEME
from app.api.openapi.resource import TaskIdConverter
from app.api.openapi.schemas import schemas

if TYPE_CHECKING:
    from flask import Flask

    from app.api.openapi.resource import Resource
    from app.task_types import TaskTypes

TITLE = "Punctual"
VERSION = "1"
ABOUT = (
    "Schedules tasks and starts them on time. Times are RFC 3339: any offset is accepted, one is required, "
    "UTC with `Z` is answered. Every error is `application/problem+json` (RFC 9457) and has a page under `/problems/`."
)
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The request's own, or a new one.", "schema": {"type": "string"}},
    "Location": {"description": "Where the task is.", "schema": {"type": "string", "format": "uri-reference"}},
    "Link": {"description": 'The next page, `rel="next"`.', "schema": {"type": "string"}},
    "Preference-Applied": {"description": "`return=minimal`", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}},
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, made by `python -m app keys create`. Each operation names the scope that it needs; "
    "`admin` is enough for all. No key is needed with `AUTH=off`, and in development on loopback.",
}
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class DocumentedApi(Api):  # type: ignore[misc]  # flask-smorest has no types
    """Flask-smorest without its own errors, pages and ETags: each operation names its own answers."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave errors to `failures.py`."""

    def _register_responses(self) -> None:
        """Keep its error schema out of the document."""

    def _register_etag_headers(self) -> None:
        """Keep its headers out of the document."""

    def _register_pagination_header(self) -> None:
        """Keep its header out of the document."""


def publish(app: Flask, types: TaskTypes, resources: tuple[Resource, ...]) -> None:
    """Register the resources, and serve their document."""
    app.config |= {"API_TITLE": TITLE, "API_VERSION": VERSION, "OPENAPI_VERSION": "3.1.0"}
    app.url_map.converters["task"] = TaskIdConverter
    api = DocumentedApi(app, spec_kwargs={"info": {"description": ABOUT}, "servers": [{"url": "/"}]})
    for name, schema in schemas(types).items():
        api.spec.components.schema(name, schema)
    for name, header in HEADERS.items():
        api.spec.components.header(name, header)
    api.spec.components.security_scheme(SECURITY_SCHEME, BEARER)
    for resource in resources:
        api.register_blueprint(resource)
    document = orjson.dumps(api.spec.to_dict(), option=orjson.OPT_NON_STR_KEYS)
    app.add_url_rule("/openapi.json", "openapi", lambda: Response(document, mimetype=JSON))
    app.add_url_rule("/docs", "docs", _page)


def _page() -> Response:
    return Response(render_template("docs.html"), headers={"Content-Security-Policy": PAGE})

"""A blueprint that routes, limits and documents its operations from one declaration each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import getdoc
from typing import TYPE_CHECKING

from flask import request
from flask_smorest import Blueprint
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, RequestRedirect

from app.api.openapi.operation import Operation, describe
from app.api.reading.requests import limit_body, refuse_parameters

if TYPE_CHECKING:
    from flask import Flask, Response

    View = Callable[..., Response]


TASK = "/tasks/<task:task_id>"
TASK_ID = {"in": "path", "name": "task_id", "schema": {"type": "string", "format": "uuid"}, "description": "UUIDv7."}


class TaskIdConverter(BaseConverter):
    """Matches anything but a plain word, so `/tasks/next` keeps its 405. Anything else may be an invalid id."""

    regex = r"(?![a-z]+\Z)[^/]+"


class Resource(Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """One resource of the API; `name` is its tag in the document. `operations` are by endpoint."""

    def __init__(self, name: str, module: str, description: str) -> None:
        super().__init__(name, module, description=description)
        self.operations: dict[str, Operation] = {}
        self.before_request(self._limit)

    def operation(self, method: str, path: str, operation: Operation) -> Callable[[View], View]:
        """Route the decorated view and document it: its name is the operation id, its docstring the description."""

        def register(view: View) -> View:
            self.operations[f"{self.name}.{view.__name__}"] = operation
            documented = self.doc(operationId=view.__name__, description=getdoc(view), **describe(operation))(view)
            parameters = [TASK_ID] if TASK in path else None
            self.add_url_rule(path, view.__name__, documented, methods=[method], parameters=parameters)
            return view

        return register

    def _limit(self) -> None:
        """Before each request: refuse query parameters that the operation does not have, and too large a body."""
        operation = self.operations.get(request.endpoint or "")
        if operation is None:
            return
        if request.query_string and not operation.query:
            refuse_parameters()
        limit_body(operation.max_body_bytes)


class BodyLimits:
    """The declared `max_body_bytes` by method and path, through the routes: an alias has the limit of its endpoint."""

    def __init__(self, app: Flask, resources: Iterable[Resource]) -> None:
        self._routes = app.url_map.bind("")
        self._operations = {
            endpoint: operation for resource in resources for endpoint, operation in resource.operations.items()
        }

    def __call__(self, method: str, path: str) -> int:
        """Return the limit of a request; 0 for an unknown route or one without a limit."""
        try:
            endpoint, _ = self._routes.match(path, method)
        except (HTTPException, RequestRedirect):
            return 0
        operation = self._operations.get(endpoint)
        return operation.max_body_bytes if operation and operation.body else 0

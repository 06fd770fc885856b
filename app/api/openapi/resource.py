"""A blueprint whose operations are routed and documented in one place."""

from __future__ import annotations

from inspect import getdoc
from typing import TYPE_CHECKING

from flask import request
from flask_smorest import Blueprint
from werkzeug.routing import BaseConverter

from app.api.openapi.operation import Operation, describe
from app.api.reading.requests import refuse_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from app.api_key import Scope

    View = Callable[..., Response]


TASK = "/tasks/<task:task_id>"
TASK_ID = {"in": "path", "name": "task_id", "schema": {"type": "string", "format": "uuid"}, "description": "UUIDv7."}


class TaskIdConverter(BaseConverter):
    """Whatever is no plain word: `/tasks/next` and the like keep their 405, all else may be a wrong id."""

    regex = r"(?![a-z]+\Z)[^/]+"


class Resource(Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """One resource of the API; `name` is its tag in the document. `scopes`: what each endpoint needs."""

    def __init__(self, name: str, module: str, description: str) -> None:
        super().__init__(name, module, description=description)
        self.scopes: dict[str, Scope | None] = {}
        self._without_parameters: set[str] = set()
        self.before_request(self._refuse_parameters)

    def operation(self, method: str, path: str, about: Operation) -> Callable[[View], View]:
        """Route the decorated view, and document it: its docstring is the description."""

        def register(view: View) -> View:
            self.scopes[f"{self.name}.{view.__name__}"] = about.scope
            if not about.query:
                self._without_parameters.add(f"{self.name}.{view.__name__}")
            name = f"{self.name.lower()}.{view.__name__.rstrip('_')}"
            documented = self.doc(operationId=name, description=getdoc(view), **describe(about))(view)
            parameters = [TASK_ID] if TASK in path else None
            self.add_url_rule(path, view.__name__, documented, methods=[method], parameters=parameters)
            return view

        return register

    def _refuse_parameters(self) -> None:
        if request.query_string and request.endpoint in self._without_parameters:
            refuse_parameters()

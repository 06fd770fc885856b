"""Turns everything that can go wrong in a request into a problem answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, PreconditionFailed

from app.api.problems import HTTP, MEDIA_TYPE, OTHER, REFUSALS, answer
from app.errors import RedisAway, Refusal

if TYPE_CHECKING:
    from flask import Flask, Response


def handle_failures(app: Flask) -> None:
    """Register the handlers; whatever they do not know is a 500 that says nothing of the inside."""
    log = structlog.get_logger()

    @app.errorhandler(Exception)
    def crash(_: Exception) -> Response:
        log.exception("request_crashed")  # noqa: LOG004 - Flask calls this inside its except clause
        return answer(HTTP[500])

    @app.after_request
    def stay_a_problem(response: Response) -> Response:
        """Flask answers `If-Match` for a file with a 412 and the file."""
        if response.status_code != PreconditionFailed.code or response.mimetype == MEDIA_TYPE:
            return response
        response.close()
        return _http_error(PreconditionFailed())

    app.register_error_handler(Refusal, _refusal)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(RedisError, lambda _: answer(REFUSALS[RedisAway]))


def _refusal(refused: Refusal) -> Response:
    kind = next(each for each in type(refused).__mro__ if each in REFUSALS)
    return answer(REFUSALS[kind], refused.detail, refused.details)


def _http_error(error: HTTPException) -> Response:
    """Unknown routes, wrong methods, bodies too large: what Flask and Werkzeug refuse themselves."""
    status = error.code or 500
    response = answer(HTTP.get(status) or replace(OTHER, status=status, title=error.name))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response

"""The table of HTTP statuses by refusal, and error answers as problem details (RFC 9457)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Response, g, request
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, PreconditionFailed

from app import errors
from app.api.instants import write_instant
from app.logs import get_logger
from app.redis_pool import name_of

if TYPE_CHECKING:
    from flask import Flask

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = {429: "10", 503: "2"}  # unless the details have `retry_after_s`
CHALLENGES = {401: "Bearer"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of error answer; the page `/problems/<slug>` explains it."""

    status: int
    slug: str
    title: str
    meaning: str


def _from(refusal: type[errors.Refusal], status: int, slug: str, title: str) -> Problem:
    return Problem(status, slug, title, (refusal.__doc__ or "").strip())


REFUSALS: dict[type[errors.Refusal], Problem] = {
    refusal: _from(refusal, status, slug, title)
    for refusal, status, slug, title in (
        (errors.NotJson, 400, "not-json", "Not JSON"),
        (errors.BodyCutOff, 400, "body-cut-off", "Body cut off"),
        (errors.Unauthenticated, 401, "unauthenticated", "Unauthenticated"),
        (errors.ScopeMissing, 403, "scope-missing", "Scope missing"),
        (errors.ForgedRequest, 403, "forged-request", "Forged request"),
        (errors.ReadOnly, 403, "read-only", "Read only"),
        (errors.TaskNotFound, 404, "task-not-found", "Task not found"),
        (errors.TaskDeleted, 404, "task-deleted", "Task deleted"),
        (errors.BodyTooSlow, 408, "body-too-slow", "Body too slow"),
        (errors.TaskNotDeletable, 409, "task-not-deletable", "Task not deletable"),
        (errors.TaskNotCancellable, 409, "task-not-cancellable", "Task not cancellable"),
        (errors.TaskNotClaimable, 409, "task-not-claimable", "Task not claimable"),
        (errors.ClaimLost, 409, "claim-lost", "Claim lost"),
        (errors.UnsupportedMedia, 415, "unsupported-media-type", "Unsupported media type"),
        (errors.InvalidInput, 422, "invalid-input", "Invalid input"),
        (errors.ResultTooLarge, 422, "result-too-large", "Result too large"),
        (errors.TooManyRequests, 429, "too-many-requests", "Too many requests"),
        (errors.TooManyPending, 429, "too-many-pending", "Too many pending tasks"),
        (errors.TooManyWaiting, 429, "too-many-waiting", "Too many waiting requests"),
        (errors.TooBusy, 503, "too-busy", "Too busy"),
        (errors.LedgerUnavailable, 503, "ledger-away", "Postgres does not answer"),
        (errors.BrokerUnavailable, 503, "redis-away", "Redis does not answer"),
        (errors.NotReady, 503, "not-ready", "Not ready"),
    )
}

HTTP: dict[int, Problem] = {
    problem.status: problem
    for problem in (
        Problem(400, "bad-request", "Bad request", "The request is malformed."),
        Problem(
            404, "not-found", "Not found", "There is nothing at this path. See `/docs` for the available endpoints."
        ),
        Problem(
            405,
            "method-not-allowed",
            "Method not allowed",
            "This path does not support this method. The header `Allow` lists the methods that it supports.",
        ),
        Problem(413, "body-too-large", "Body too large", "The body is larger than this endpoint accepts."),
        Problem(
            500,
            "internal-error",
            "Internal error",
            "An internal error. The server's log has the details under this `request_id`.",
        ),
    )
}
OTHER = Problem(0, "http-error", "HTTP error", "The HTTP status explains this error.")


def all_problems() -> list[Problem]:
    """Return every kind of problem, one for each page under `/problems/`."""
    return [*REFUSALS.values(), *HTTP.values(), OTHER]


def problem_document(
    problem: Problem, request_id: str, *, prefix: str = "", detail: str | None = None,
    details: dict[str, Any] | None = None,
) -> bytes:  # fmt: skip
    """Return the body of an error. `json.dumps` is used because it encodes every text; faster encoders may fail."""
    body: dict[str, Any] = {
        "type": f"{prefix}/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail or problem.meaning,
        "details": details or {},
        "request_id": request_id,
    }
    return json.dumps(body, default=_as_text).encode()


def problem_answer(problem: Problem, detail: str | None = None, details: dict[str, Any] | None = None) -> Response:
    """Return the error response for this request."""
    body = problem_document(
        problem, g.get("request_id", ""), prefix=request.script_root, detail=detail, details=details
    )
    response = Response(body, problem.status, mimetype=MEDIA_TYPE)
    if problem.status in RETRY_AFTER_S:
        retry_after_s = (details or {}).get("retry_after_s", RETRY_AFTER_S[problem.status])
        response.headers["Retry-After"] = str(retry_after_s)
    if problem.status in CHALLENGES:
        response.headers["WWW-Authenticate"] = CHALLENGES[problem.status]
    return response


def handle_errors(app: Flask) -> None:
    """Register the error handlers. An unknown exception is a 500 that reveals nothing."""
    log = get_logger()

    @app.errorhandler(Exception)
    def crash(_: Exception) -> Response:
        log.exception("request_crashed")  # noqa: LOG004 - Flask calls this inside its except clause
        return problem_answer(HTTP[500])

    @app.after_request
    def replace_failed_precondition(response: Response) -> Response:
        """Replace Flask's 412 to `If-Match` for a file, which has the file as its body."""
        if response.status_code != PreconditionFailed.code or response.mimetype == MEDIA_TYPE:
            return response
        response.close()
        return _http_error(PreconditionFailed())

    app.register_error_handler(errors.Refusal, _refusal)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(RedisError, _broker_unavailable)


def _refusal(refused: errors.Refusal) -> Response:
    kind = next(each for each in type(refused).__mro__ if each in REFUSALS)
    return problem_answer(REFUSALS[kind], refused.detail, refused.details)


def _broker_unavailable(trouble: RedisError) -> Response:
    return problem_answer(REFUSALS[errors.BrokerUnavailable], details={"redis": name_of(trouble)})


def _http_error(error: HTTPException) -> Response:
    """Answer what Flask and Werkzeug refuse: unknown routes, wrong methods, bodies that are too large."""
    status = error.code or 500
    response = problem_answer(HTTP.get(status) or replace(OTHER, status=status, title=error.name))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _as_text(value: object) -> str:
    return write_instant(value) if isinstance(value, datetime) else str(value)

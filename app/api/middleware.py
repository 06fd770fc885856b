"""Hooks for every request: a request id, security headers, and one line in the log.

The functions without a hook serve the fast path, too, whose answers do not come from Flask.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from flask import g, request
from uuid_utils import uuid4

from app.api.auth.gate import caller_id
from app.api.exchange import current_exchange
from app.logs import get_logger

if TYPE_CHECKING:
    from flask import Flask, Response

    from app.config import Settings

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
MAX_LOGGED_ID = 36
MIN_LOGGED_STATUS = {"all": 0, "errors": 400, "none": 1000}
REDIRECTS, ERRORS = 300, 400
HSTS = "Strict-Transport-Security", "max-age=31536000"
NO_CONTENT_ALLOWED = "default-src 'none'; frame-ancestors 'none'"
DEFAULT_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": NO_CONTENT_ALLOWED,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class RequestLog:
    """Writes a log line for each request that LOG_REQUESTS selects."""

    def __init__(self, settings: Settings) -> None:
        self._min_status = MIN_LOGGED_STATUS[settings.log_requests]
        self._log = get_logger().bind()  # bound once, because `get_logger` binds again at every call

    def write(
        self, *, method: str, route: str | None, status: int, began: float, key_id: UUID | None, task_id: str | None,
        **more: Any,
    ) -> None:  # fmt: skip
        """Write the line. `began` is a reading of `time.perf_counter`."""
        if status < self._min_status:
            return
        fields: dict[str, Any] = {
            "method": method,
            "route": route,
            "status": status,
            "ms": round((time.perf_counter() - began) * 1000, 2),
        }
        if key_id:
            fields["key_id"] = str(key_id)
        if task_id:
            fields["task_id"] = task_id[:MAX_LOGGED_ID]
        self._log.info("request", **fields, **more)


def watch_requests(app: Flask, settings: Settings) -> None:
    """Register the two hooks; both run for errors and unknown routes, too."""
    log, in_production = RequestLog(settings), settings.app_env == "production"

    @app.before_request
    def begin() -> None:
        exchange = current_exchange()
        g.began = exchange.began
        g.request_id = exchange.request_id = exchange.request_id or request_id_of(request.headers.get("X-Request-ID"))
        # A thread keeps the context of its last request.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        https = is_https(request.scheme, request.headers.get("X-Forwarded-Proto"))
        for name, value in standard_headers(g.request_id, hsts=in_production and https):
            if name not in response.headers:
                response.headers.add(name, value)
        if REDIRECTS <= response.status_code < ERRORS and response.location:
            # Werkzeug's own redirects contain the host and scheme that this process sees, which clients may not reach.
            response.location = response.location.removeprefix(request.host_url.rstrip("/"))
        line: dict[str, Any] = {
            "method": request.method,
            "route": request.url_rule.rule if request.url_rule else None,
            "began": g.began,
            "key_id": caller_id(),
            "task_id": g.get("task_id") or (request.view_args or {}).get("task_id"),
        }
        exchange = current_exchange()
        if exchange.is_held:  # answered later, unless the client disconnects
            exchange.log_as = partial(log.write, request_id=g.request_id, **line)
        else:
            log.write(status=response.status_code, **line)
        return response


def request_id_of(sent: str | None) -> str:
    """Return the request's own id if it is safe to log, otherwise a new one."""
    return sent if sent and REQUEST_ID.fullmatch(sent) else str(uuid4())


def is_https(scheme: str, forwarded_proto: str | None) -> bool:
    """Return whether the client speaks https, to this process or to a proxy. A forged header harms only its sender."""
    return scheme == "https" or (forwarded_proto or "").lower() == "https"


def standard_headers(request_id: str, *, hsts: bool) -> list[tuple[str, str]]:
    """Return the headers that every answer gets, unless it sets them itself."""
    headers = [*DEFAULT_HEADERS.items(), ("X-Request-ID", request_id)]
    return [*headers, HSTS] if hsts else headers


def name_task(task_id: object) -> None:
    """Have the log line name a task that the path does not."""
    g.task_id = str(task_id)

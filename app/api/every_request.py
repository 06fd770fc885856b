"""What every request gets: an id, headers that keep browsers and caches safe, one line in the log."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from flask import g, request

from app.api.access.caller import caller_id

if TYPE_CHECKING:
    from flask import Flask, Response

    from app.config import Settings

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
LONGEST_ID = 36
ONE_YEAR = "max-age=31536000"
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
DEFAULTS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": NO_PAGE,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def watch_requests(app: Flask, settings: Settings) -> None:
    """Register the two hooks; both run for errors and unknown routes too."""
    log, in_production = structlog.get_logger(), settings.app_env == "production"

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else str(uuid4())
        # A thread keeps its context from the request before: begin anew.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        headers = response.headers
        for name, value in DEFAULTS.items():
            if name not in headers:
                headers.add(name, value)
        headers.add("X-Request-ID", g.request_id)
        if in_production and _is_https():
            headers.add("Strict-Transport-Security", ONE_YEAR)
        log.info("request", **_told(response))
        return response


def standard_headers(request_id: str, *, is_secure: bool) -> list[tuple[str, str]]:
    """What every answer has, for those that do not come from Flask."""
    headers = [(name.lower(), value) for name, value in DEFAULTS.items()]
    headers.append(("x-request-id", request_id))
    return [*headers, ("strict-transport-security", ONE_YEAR)] if is_secure else headers


def name_task(task_id: object) -> None:
    """Have the log line name a task that the path does not."""
    g.task_id = str(task_id)


def _is_https() -> bool:
    """Whether the browser speaks https, to us or to a proxy. Who lies about that only deceives himself."""
    return request.is_secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"


def _told(response: Response) -> dict[str, object]:
    told: dict[str, object] = {
        "method": request.method,
        "route": request.url_rule.rule if request.url_rule else None,
        "status": response.status_code,
        "ms": round((time.perf_counter() - g.began) * 1000, 2),
    }
    if caller_id():
        told["key_id"] = str(caller_id())
    task_id = g.get("task_id") or (request.view_args or {}).get("task_id")
    return told | {"task_id": task_id[:LONGEST_ID]} if task_id else told

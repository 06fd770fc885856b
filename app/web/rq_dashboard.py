"""The RQ dashboard at /rq: deliveries, read only."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, jsonify, request, url_for
from redis.exceptions import RedisError
from rq_dashboard import web as dashboard
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import IntegerConverter

from app.api.services import services
from app.broker.corrupt_keys import may_be_corrupt
from app.broker.rq import JSONSerializer
from app.broker.rq.keys import job_key
from app.broker.rq.shown import ShownJob, ShownQueue, ShownWorker
from app.connections import connect_redis
from app.errors import ReadOnly
from app.logs import get_logger

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings

log = get_logger()

TIMEOUT_S = 2.0
REGISTRIES = {"queued", "failed", "deferred", "started", "finished", "scheduled", "canceled"}
MAX_PER_PAGE, MAX_PAGE = 1000, 1_000_000
BANNER = (
    b'<p role="note" style="margin:0;padding:.4em 1em;background:#fff3cd;color:#533f03">'
    b"This shows deliveries of RQ, not tasks. For the states of tasks use GET /tasks. %s</p>"
)
SIGN_OUT = b'<a href="%s" style="color:inherit">Sign out</a>'
NOT_READABLE = (
    "<!doctype html><html lang=en><title>Not readable</title><body><h1>Not readable</h1>"
    "<p>Redis contains data that RQ cannot read; see the log.</p></body></html>"
)
NOTHING: dict[str, Any] = {
    "queues": [], "workers": [], "jobs": [], "not_readable": True,
    "pagination": {"current_page": 1, "num_pages": 0, "pages_in_window": []},
}  # fmt: skip
# Its templates need eval, and contain one inline script, which gets a nonce. Any other script, written into Redis and
# so into these pages, does not run.
POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class ShortInteger(IntegerConverter):
    """An integer of at most nine digits: Werkzeug's own converter fails on thousands."""

    regex = r"[0-9]{1,9}"


def mount_rq_dashboard(app: Flask, settings: Settings) -> None:
    """Serve the dashboard with our Redis client, and without the URL of Redis, which it would show."""
    app.config["RQ_DASHBOARD_REDIS_URL"] = ("Redis",)
    app.config["RQ_DASHBOARD_DISABLE_DELETE"] = True
    app.redis_conn = connect_redis(settings, timeout_s=TIMEOUT_S)  # type: ignore[attr-defined]
    app.url_map.converters["int"] = ShortInteger
    app.register_blueprint(dashboard.blueprint, url_prefix="/rq")
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith(f"{dashboard.blueprint.name}."):
            app.view_functions[endpoint] = _tolerant(view)


def _tolerant(view: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a view so that it shows a page if RQ or its dashboard fails on the contents of Redis."""

    @wraps(view)
    def shown(**arguments: Any) -> Any:
        try:
            return view(**arguments)
        except HTTPException:
            raise
        except Exception as trouble:  # of RQ, its dashboard, or what is in Redis
            if isinstance(trouble, RedisError) and not may_be_corrupt(trouble):
                raise
            log.warning("deliveries_not_readable", path=request.path[:200], trouble=repr(trouble)[:300])
            if request.path.endswith(".json"):
                return jsonify(NOTHING)
            return Response(NOT_READABLE, mimetype="text/html")

    return shown


def _refuse_changes() -> None:
    """Refuse requests that change something, including GET /requeue/, and values on which the dashboard fails."""
    if request.method not in {"GET", "HEAD"} or "/requeue/" in request.path:
        raise ReadOnly
    given = request.view_args or {}
    known = (
        given.get("instance_number", 0) == 0,
        given.get("registry_name") in {None, *REGISTRIES},
        given.get("order", "asc") in {"asc", "dsc"},
        _is_number(given.get("per_page"), MAX_PER_PAGE),
        _is_number(given.get("page"), MAX_PAGE),
        "job_id" not in given or _exists(given["job_id"]),
    )
    if not all(known):
        raise NotFound


def _is_number(value: str | int | None, highest: int) -> bool:
    text = "1" if value is None else str(value)
    return text.isascii() and text.isdigit() and len(text) <= len(str(highest)) and 1 <= int(text) <= highest


def _exists(job_id: str) -> bool:
    return bool(current_app.redis_conn.exists(job_key(job_id)))  # type: ignore[attr-defined]


def _protect(response: Response) -> Response:
    """Add the banner, the nonce and the policy to a page."""
    if response.mimetype != "text/html":
        return response
    nonce, needs_keys = secrets.token_urlsafe(16), services().settings.demands_keys
    banner = BANNER % (SIGN_OUT % url_for("sign_in.form").encode() if needs_keys else b"")
    script, marked = b'<script type="text/javascript">', f'<script nonce="{nonce}" type="text/javascript">'.encode()
    page = response.get_data().replace(script, marked, 1).replace(b"<body>", b"<body>" + banner, 1)
    response.set_data(page)
    response.headers["Content-Security-Policy"] = POLICY.format(nonce=nonce)
    return response


# Once for the process: the blueprint is a global of its module. Its own hook, which opens a connection without time
# limits to a URL from the configuration, is replaced.
dashboard.config.serializer = JSONSerializer
dashboard.Job = ShownJob
dashboard.Queue = ShownQueue
dashboard.Worker = ShownWorker
dashboard.blueprint.before_request_funcs[None] = [_refuse_changes]
dashboard.blueprint.after_request(_protect)

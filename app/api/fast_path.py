"""Fast path for `POST /tasks`: answers on the event loop, without a thread and Flask, which are most of the cost.

It uses the same functions as the view. Any other request, and any refusal, falls back to Flask, which explains it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from app.api.answers import created_answer
from app.api.auth.gate import bearer_secret, key_from
from app.api.middleware import RequestLog, is_https, request_id_of, standard_headers
from app.api.openapi.operation import MAX_BODY_BYTES
from app.api.reading.strict_json import is_json
from app.api.reading.tasks import read_new_task
from app.api.services import services_of
from app.api.url_prefix import FORWARDED_PREFIX, below, peer_of, prefix_of
from app.api_key import Scope
from app.errors import Refusal

if TYPE_CHECKING:
    from flask import Flask

    from app.api_key import ApiKey

    Answer = tuple[int, list[tuple[str, str]], bytes]

PATH, METHODS = "/tasks", {"POST", "PUT"}
MAX_DIGITS = 6
# Headers that do not change the answer, or that are handled here. A request with any other header falls back.
HANDLED = frozenset({
    "host", "content-type", "content-length", "accept", "accept-encoding", "accept-language", "connection",
    "user-agent", "authorization", "x-request-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto",
    "x-forwarded-prefix", "x-request-start", "via",
})  # fmt: skip


class FastPath:
    """Used on one event loop only."""

    def __init__(self, app: Flask) -> None:
        self._services = services_of(app)
        self._in_production = self._services.settings.app_env == "production"
        self._url_prefix = self._services.settings.url_prefix
        self._is_on = not self._services.settings.requests_per_minute  # counted in Redis, so not on an event loop
        self._log = RequestLog(self._services.settings)

    def headers(self, scope: Any) -> dict[str, str] | None:
        """Return the headers of a request with a body that may be answered here; None for all others."""
        if not scope.path.endswith(PATH) or scope.method not in METHODS or scope.query_string or not self._is_on:
            return None
        headers: dict[str, str] = {}
        for name, value in scope.headers.items():
            if name not in HANDLED or name in headers:
                return None
            headers[name] = value
        if scope.path != PATH and below(self._prefix(scope, headers), scope.path) != PATH:
            return None
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > MAX_DIGITS or not 0 < int(length) <= MAX_BODY_BYTES:
            return None
        return headers if is_json(headers.get("content-type", "")) else None

    async def answer(self, scope: Any, headers: dict[str, str], body: bytes) -> Answer | Exception | None:
        """Return the answer once the task is committed; None to fall back; an error for Flask to report."""
        began = time.perf_counter()
        try:
            key = self._key(headers.get("authorization", ""))
            new = read_new_task(body, self._services.types, created_by=key.id if key else None, on_loop=True)
        except Exception:  # noqa: BLE001 - a refusal or an unexpected error; Flask reports both
            return None
        try:
            task = await self._services.creator.submit_from_loop(new)
            request_id = request_id_of(headers.get("x-request-id"))
            hsts = self._in_production and is_https(scope.scheme, headers.get("x-forwarded-proto"))
            status, answer_headers, content = created_answer(task, self._prefix(scope, headers))
            self._log.write(
                method=scope.method, route=PATH, status=status, began=began, key_id=key.id if key else None,
                task_id=new.id, request_id=request_id,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - Flask reports the error, and does not create the task again
            return error
        return status, [*answer_headers, *standard_headers(request_id, hsts=hsts)], content

    def _prefix(self, scope: Any, headers: dict[str, str]) -> str:
        forwarded = headers.get(FORWARDED_PREFIX)
        return prefix_of(forwarded, peer_of(scope), self._url_prefix) if forwarded else self._url_prefix

    def _key(self, credentials: str) -> ApiKey | None:
        """Return the key of the request; None where no key is needed. Postgres and Redis are not asked.

        Raises:
            Refusal: it is not in the cache, may not create tasks, or has a limit, for which Postgres would be asked.
        """
        if not self._services.settings.demands_keys:
            return None
        key = key_from(bearer_secret(credentials), self._services.keys.known)
        if key is None or key.max_pending is not None or not key.allows(Scope.WRITE):
            raise Refusal
        return key

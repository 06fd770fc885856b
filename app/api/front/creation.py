"""`POST /tasks` on the event loop, where there is nothing to explain; what is not plain takes the usual way.

A thread and Flask cost more than all the rest of a creation. The same readers, keys and operations answer here, with
the same bytes; whatever they refuse, and every request that says more than a plain one, goes through Flask, which
explains it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from uuid_utils import uuid4

from app.api import shapes
from app.api.access.bearer import secret_of
from app.api.access.control import KEY as ACCESS
from app.api.answers import JSON, created_body, location
from app.api.every_request import REQUEST_ID, standard_headers
from app.api.reading.field_errors import FieldErrors
from app.api.reading.new_task import read_new_task
from app.api.reading.requests import MOST_BODY_BYTES
from app.api.reading.strict_json import read_object
from app.api.services import KEY
from app.api_key import Scope, digest
from app.errors import Refusal

if TYPE_CHECKING:
    from flask import Flask

    from app.api.access.control import Access
    from app.api.services import Services
    from app.api_key import ApiKey
    from app.task import NewTask

    Answer = tuple[int, list[tuple[str, str]], bytes]

PATH, METHODS = "/tasks", {"POST", "PUT"}
LONGEST_NUMBER = 6
# Headers that change nothing about the answer, or that are understood here. Any other one: the usual way.
PLAIN = frozenset({
    "host", "content-type", "content-length", "accept", "accept-encoding", "accept-language", "connection",
    "user-agent", "authorization", "x-request-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto",
    "x-request-start", "via",
})  # fmt: skip


class NotPlain(Exception):
    """This request takes the usual way."""


class Creation:
    """Answers what is plain. Used on one event loop only."""

    def __init__(self, app: Flask) -> None:
        services: Services = app.extensions[KEY]
        self._access: Access = app.extensions[ACCESS]
        self._types = services.types
        self._in_production = services.settings.app_env == "production"
        self._counts_requests = services.settings.requests_per_minute > 0  # in Redis: not on an event loop
        self._creator = services.creator
        self._log = structlog.get_logger().bind()  # once; otherwise at every request

    def size(self, scope: Any) -> int | None:
        """How long the body is of a request that may be plain; None for all others."""
        if scope.path != PATH or scope.method not in METHODS or scope.query_string or self._counts_requests:
            return None
        told = scope.headers.get("content-length") or ""
        if not told.isdecimal() or len(told) > LONGEST_NUMBER or not 0 < int(told) <= MOST_BODY_BYTES:
            return None
        return int(told)

    async def answer(self, scope: Any, body: bytes) -> Answer | Exception | None:
        """The answer once the task is committed; None: take the usual way; an exception: raise it there."""
        began = time.perf_counter()
        try:
            headers = _plain_headers(scope.headers)
            key = self._key(headers)
            new = self._read(body, key)
        except (NotPlain, Refusal, msgspec.ValidationError):
            return None
        request_id = headers.get("x-request-id") or str(uuid4())
        try:
            task = await self._creator.submit_from_loop(new)
        except Exception as trouble:  # noqa: BLE001  # a crash is explained by Flask, too
            return trouble
        answered = standard_headers(
            request_id, is_secure=self._in_production and headers.get("x-forwarded-proto", "").lower() == "https"
        )
        said: dict[str, Any] = {"method": scope.method, "route": PATH, "status": 201, "task_id": str(task.id)}
        if key:
            said["key_id"] = str(key.id)
        self._log.info("request", **said, ms=round((time.perf_counter() - began) * 1000, 2), request_id=request_id)
        text = created_body(task)
        return 201, [("content-type", JSON), ("location", location(task)), *answered], text

    def _key(self, headers: dict[str, str]) -> ApiKey | None:
        """None where none is needed."""
        if not self._access.needed:
            return None
        hashed = digest(secret_of(headers.get("authorization", "")))
        key = self._access.keys.known(hashed) if hashed else None
        if key is None or key.max_pending is not None or not key.allows(Scope.WRITE):
            raise NotPlain
        return key

    def _read(self, body: bytes, key: ApiKey | None) -> NewTask:
        errors = FieldErrors()
        asked = msgspec.convert(read_object(body), shapes.NewTask)
        new = read_new_task(asked, self._types, errors, created_by=key.id if key else None)
        if new is None:
            raise NotPlain
        return new


def _plain_headers(given: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in given.items():
        if name not in PLAIN or name in headers:
            raise NotPlain
        headers[name] = value
    request_id = headers.get("x-request-id")
    if headers.get("content-type") != JSON or (request_id is not None and not REQUEST_ID.fullmatch(request_id)):
        raise NotPlain
    return headers

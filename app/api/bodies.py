"""Receives request bodies on the event loop, within limits of time and size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIEnvironment

from app.errors import BodyCutOff, BodyTooSlow

if TYPE_CHECKING:
    from app.errors import Refusal

MAX_SECONDS = 10.0
MAX_BUFFERED_BYTES = 512 * 1024  # for any route; more only if its operation declares it
MAX_HELD_BYTES = 64 * 1024 * 1024
MAX_LARGE_HELD_BYTES = 64 * 1024 * 1024
METHODS_WITH_BODY = {"POST", "PUT", "PATCH"}
MAX_DIGITS = 18


class Bodies:
    """Receives bodies, with limits for the time and size of each, and for the memory of all together.

    Their memory counts until the request is answered. Used on one event loop only. `max_bytes` returns the limit that
    the operation of a method and path declares, 0 if there is none.
    """

    def __init__(
        self, max_bytes: Callable[[str, str], int], *, within_s: float = MAX_SECONDS, max_held: int = MAX_HELD_BYTES,
        max_large_held: int = MAX_LARGE_HELD_BYTES,
    ) -> None:  # fmt: skip
        self._max_bytes = max_bytes
        self._within_s = within_s
        self._max_held = {False: max_held, True: max_large_held}
        self._held = {False: 0, True: 0}

    def size(self, environ: WSGIEnvironment) -> int:
        """Return how many bytes to wait for; 0 if there is no body or it is too large, and is refused unread."""
        method = environ["REQUEST_METHOD"].upper()
        if method not in METHODS_WITH_BODY:
            return 0
        if "CONTENT_LENGTH" not in environ:
            return self._limit(method, environ) + 1 if "HTTP_TRANSFER_ENCODING" in environ else 0
        length = environ["CONTENT_LENGTH"]
        if not length.isdecimal() or len(length) > MAX_DIGITS:
            return 0
        size = int(length)
        return size if size <= MAX_BUFFERED_BYTES or size <= self._limit(method, environ) else 0

    @asynccontextmanager
    async def read(self, protocol: Any, size: int, *, exact: bool = False) -> AsyncIterator[bytes | Refusal]:
        """Receive up to `size` bytes. They are counted until the request is answered.

        The result is BodyTooSlow if they do not arrive in time or all bodies together exceed their limit, and
        BodyCutOff if fewer than an `exact` size arrive. Large bodies have a separate limit, so that they do not block
        others.
        """
        body, is_large = bytearray(), size > MAX_BUFFERED_BYTES
        try:
            refusal = await self._fill(body, protocol, size, is_large=is_large)
            yield refusal or (BodyCutOff() if exact and len(body) < size else bytes(body))
        finally:
            self._held[is_large] -= len(body)

    def _limit(self, method: str, environ: WSGIEnvironment) -> int:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
        return max(MAX_BUFFERED_BYTES, self._max_bytes(method, path))

    async def _fill(self, body: bytearray, protocol: Any, size: int, *, is_large: bool) -> Refusal | None:
        try:
            async with asyncio.timeout(self._within_s):
                async for chunk in protocol:
                    body += chunk
                    self._held[is_large] += len(chunk)
                    if self._held[is_large] > self._max_held[is_large]:
                        return BodyTooSlow()
                    if len(body) >= size:
                        break
        except TimeoutError:
            return BodyTooSlow()
        return None

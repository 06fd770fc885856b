"""Bodies as they arrive: each within a time, a size, and what all may hold together."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from app.api.reading.requests import LARGEST_BODIES, LARGEST_BODY_BYTES
from app.errors import BodyTooSlow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from wsgiref.types import WSGIEnvironment

    from app.errors import Refusal

WITHIN_S = 10.0
MOST_HELD_BYTES = 64 * 1024 * 1024
MOST_LARGE_BYTES = 64 * 1024 * 1024
WITH_BODY = {"POST", "PUT", "PATCH"}
LONGEST_NUMBER = 18


class Bodies:
    """All that are on their way into this process, or being answered. Used on its event loop only."""

    def __init__(
        self, *, within_s: float = WITHIN_S, most_held: int = MOST_HELD_BYTES, most_large: int = MOST_LARGE_BYTES
    ) -> None:
        self._within_s = within_s
        self._most = {False: most_held, True: most_large}
        self._held = {False: 0, True: 0}

    @staticmethod
    def size(environ: WSGIEnvironment) -> int:
        """How many bytes to wait for; 0 when none come, or so many that they are refused unread."""
        if environ["REQUEST_METHOD"].upper() not in WITH_BODY:
            return 0
        largest = LARGEST_BODIES.get(environ.get("PATH_INFO", ""), LARGEST_BODY_BYTES)
        if "CONTENT_LENGTH" not in environ:
            return largest + 1 if "HTTP_TRANSFER_ENCODING" in environ else 0
        told = environ["CONTENT_LENGTH"]
        size = int(told) if told.isdecimal() and len(told) <= LONGEST_NUMBER else largest + 1
        return size if size <= largest else 0

    @asynccontextmanager
    async def read(self, protocol: Any, size: int) -> AsyncIterator[bytes | Refusal]:
        """So many bytes, fewer when the body ends before; held until the request is answered.

        BodyTooSlow instead: they did not arrive in time, or the others hold too much already. Large ones are counted
        by themselves, so that they do not keep out the others.
        """
        body, is_large = bytearray(), size > LARGEST_BODY_BYTES
        try:
            yield await self._fill(body, protocol, size, is_large=is_large)
        finally:
            self._held[is_large] -= len(body)

    async def _fill(self, body: bytearray, protocol: Any, size: int, *, is_large: bool) -> bytes | Refusal:
        try:
            async with asyncio.timeout(self._within_s):
                async for chunk in protocol:
                    body += chunk
                    self._held[is_large] += len(chunk)
                    if self._held[is_large] > self._most[is_large]:
                        return BodyTooSlow()
                    if len(body) >= size:
                        break
        except TimeoutError:
            return BodyTooSlow()
        return bytes(body)

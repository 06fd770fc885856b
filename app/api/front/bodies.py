"""Bodies as they arrive: each within a time, a size, and what all may hold together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.api.reading.requests import LARGEST_BODIES, LARGEST_BODY_BYTES
from app.errors import BodyTooSlow

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

WITHIN_S = 10.0
MOST_HELD_BYTES = 64 * 1024 * 1024
WITH_BODY = {"POST", "PUT", "PATCH"}
LONGEST_NUMBER = 18


class Bodies:
    """All that are on their way into this process. Used on its event loop only."""

    def __init__(self, *, within_s: float = WITHIN_S, most_held: int = MOST_HELD_BYTES) -> None:
        self._within_s = within_s
        self._most_held = most_held
        self._held = 0

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

    async def read(self, protocol: Any, size: int) -> bytes:
        """So many bytes, fewer when the body ends before.

        Raises:
            BodyTooSlow: they did not arrive in time, or the others hold too much already.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self._within_s):
                async for chunk in protocol:
                    body += chunk
                    self._held += len(chunk)
                    if self._held > self._most_held:
                        raise BodyTooSlow
                    if len(body) >= size:
                        break
        except TimeoutError:
            raise BodyTooSlow from None
        finally:
            self._held -= len(body)
        return bytes(body)

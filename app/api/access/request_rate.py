"""Counts the requests of each key in a minute, and refuses more than it may make."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flask import g, request

from app.api.access.caller import caller_id
from app.errors import TooManyRequests

if TYPE_CHECKING:
    from flask import Response

    from app.api.access.scopes import Scopes
    from app.broker.minute_counts import Counted, MinuteCounts


class RequestRate:
    """At most so many requests a minute; where no key is needed, of each address."""

    def __init__(self, minutes: MinuteCounts, scopes: Scopes, *, per_minute: int) -> None:
        self._minutes = minutes
        self._scopes = scopes
        self._most = per_minute

    def count(self) -> None:
        """Count this request, unless its route is for anybody.

        Raises:
            TooManyRequests
        """
        if request.endpoint and self._scopes.of(request.endpoint) is None:
            return
        g.counted = self._minutes.count(f"key/{caller_id()}" if caller_id() else f"address/{request.remote_addr}")
        refuse_beyond(self._most, g.counted)

    def tell(self, response: Response) -> Response:
        """What is left, as the IETF's draft on RateLimit headers has it."""
        counted: Counted | None = g.get("counted")
        if counted:
            left, seconds = max(0, self._most - counted.number), math.ceil(counted.resets_s)
            response.headers["RateLimit"] = f'"minute";r={left};t={seconds}'
            response.headers["RateLimit-Policy"] = f'"minute";q={self._most};w=60'
        return response


def refuse_beyond(most: int, counted: Counted) -> None:
    """Raises TooManyRequests, with the seconds until the next minute begins."""
    if counted.number > most:
        raise TooManyRequests(limit=most, retry_after_s=math.ceil(counted.resets_s))

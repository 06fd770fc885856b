"""The keys that open something, as Postgres had them a moment ago."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from app.errors import LedgerAway

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from app.api_key import ApiKey

FRESH_S = 2.0
LONGEST_S = 5.0  # how long a revoked key may still work
MOST_UNKNOWN = 10  # in FRESH_S
FAILED_AGAIN_S = 1.0
NEVER = float("-inf")


class KeyRing:
    """All valid keys in memory, taken anew every two seconds by one request, while the others use what there is.

    So a request costs a look into a dict, and a flood of guesses five statements a second, and no memory. While
    Postgres is away nobody gets in once what is known is five seconds old.
    """

    def __init__(self, load: Callable[[], dict[bytes, ApiKey]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._by_digest: dict[bytes, ApiKey] = {}
        self._by_id: dict[UUID, ApiKey] = {}
        self._taken_at = self._failed_at = NEVER
        self._taking = threading.Lock()
        self._unknown_since, self._unknown = NEVER, 0

    def find(self, digest: bytes) -> ApiKey | None:
        """The valid key with this hash. One that is not known may have been made just now: looked for once more.

        Raises:
            LedgerAway: what is known is too old, and Postgres does not answer.
        """
        self._renew(FRESH_S)
        if digest not in self._by_digest and self._may_look_again():
            with self._taking:
                self._take()
        return self._by_digest.get(digest)

    def with_id(self, key_id: UUID) -> ApiKey | None:
        """The valid key with this id. Raises as `find`."""
        self._renew(FRESH_S)
        return self._by_id.get(key_id)

    def known(self, digest: bytes) -> ApiKey | None:
        """The key with this hash if that is known now, without asking anybody."""
        is_fresh = self._clock() - self._taken_at < FRESH_S
        return self._by_digest.get(digest) if is_fresh else None

    def _may_look_again(self) -> bool:
        if self._clock() - self._unknown_since >= FRESH_S:
            self._unknown_since, self._unknown = self._clock(), 0
        self._unknown += 1
        return self._unknown <= MOST_UNKNOWN

    def _renew(self, oldest_s: float) -> None:
        """See that what is known is at most so old, or that another thread sees to it, or fail if it is too old."""
        age = self._clock() - self._taken_at
        if age < oldest_s or not self._taking.acquire(blocking=age >= LONGEST_S):
            return
        try:
            if self._clock() - self._taken_at >= oldest_s:
                self._take()
        finally:
            self._taking.release()

    def _take(self) -> None:
        began = self._clock()
        if began - self._failed_at >= FAILED_AGAIN_S:
            try:
                found = self._load()
            except LedgerAway:
                self._failed_at = self._clock()
            else:
                self._by_digest, self._by_id = found, {key.id: key for key in found.values()}
                self._taken_at = began
        if self._clock() - self._taken_at >= LONGEST_S:
            raise LedgerAway

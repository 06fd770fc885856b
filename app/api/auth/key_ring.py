"""Cache of all valid API keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from app.errors import LedgerUnavailable

if TYPE_CHECKING:
    from app.api_key import ApiKey

FRESH_S = 2.0
MAX_AGE_S = 5.0  # a revoked key may work for this long
MAX_UNKNOWN = 10  # extra loads within FRESH_S
RETRY_S = 1.0
NEVER = float("-inf")


class KeyRing:
    """All valid keys in memory, reloaded every two seconds by one request while others use the old ones.

    So a request costs a dictionary lookup, and a flood of guesses costs five statements a second and no memory. While
    Postgres is unavailable, keys that are five seconds old are no longer accepted.
    """

    def __init__(self, load: Callable[[], dict[bytes, ApiKey]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._by_digest: dict[bytes, ApiKey] = {}
        self._by_id: dict[UUID, ApiKey] = {}
        self._loaded_at = self._failed_at = NEVER
        self._loading = threading.Lock()
        self._unknown_since, self._unknown = NEVER, 0

    def find(self, digest: bytes) -> ApiKey | None:
        """Return the valid key with this hash. For an unknown one, which may be new, keys are loaded once more.

        Raises:
            LedgerUnavailable: the cached keys are too old, and Postgres does not answer.
        """
        self._refresh()
        if digest not in self._by_digest and self._may_reload():
            with self._loading:
                self._reload()
        return self._by_digest.get(digest)

    def with_id(self, key_id: UUID) -> ApiKey | None:
        """Return the valid key with this id. Raises as `find`."""
        self._refresh()
        return self._by_id.get(key_id)

    def known(self, digest: bytes) -> ApiKey | None:
        """Return the key with this hash if the cache has it and is fresh; never load, so never block."""
        is_fresh = self._clock() - self._loaded_at < FRESH_S
        return self._by_digest.get(digest) if is_fresh else None

    def _may_reload(self) -> bool:
        if self._clock() - self._unknown_since >= FRESH_S:
            self._unknown_since, self._unknown = self._clock(), 0
        self._unknown += 1
        return self._unknown <= MAX_UNKNOWN

    def _refresh(self) -> None:
        """Reload keys older than FRESH_S, unless another thread does; wait for it if they are older than MAX_AGE_S."""
        age = self._clock() - self._loaded_at
        if age < FRESH_S or not self._loading.acquire(blocking=age >= MAX_AGE_S):
            return
        try:
            if self._clock() - self._loaded_at >= FRESH_S:
                self._reload()
        finally:
            self._loading.release()

    def _reload(self) -> None:
        began = self._clock()
        if began - self._failed_at >= RETRY_S:
            try:
                found = self._load()
            except LedgerUnavailable:
                self._failed_at = self._clock()
            else:
                self._by_digest, self._by_id = found, {key.id: key for key in found.values()}
                self._loaded_at = began
        if self._clock() - self._loaded_at >= MAX_AGE_S:
            raise LedgerUnavailable

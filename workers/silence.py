"""How long workers and attempts have shown no sign of life, by the clock of this machine.

Postgres' clock decides what is due, but it may be set forward or back at any time, and a failover may lead to a server
with another clock. So durations are not computed from its instants. A heartbeat or a lease is a value that changes with
each sign of life, and the silence is how long this process has read the same value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from app.ledger import repairs, workers
from app.ledger.repairs import RunningAttempt, Silent

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

# Each sweeper watches from its start, so a lease of days would never expire if sweepers were restarted every day.
# Therefore a lease that has expired by Postgres' clock is watched for at most this long.
ENOUGH_S = 3600.0

Key = TypeVar("Key", bound=Hashable)


class Watch(Generic[Key]):
    """Stores since when each key has had its present value. Keys that are not read again are removed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[Key, tuple[object, float]] = {}

    def look(self, read: Callable[[], Mapping[Key, object]]) -> dict[Key, float]:
        """Read the values; return for how many seconds, at least, each has been the same.

        The time counts from after a value was first read to before it was last read, so it is never too long.
        """
        asked_at = self._clock()
        values = read()
        answered_at = self._clock()
        known = self._since
        self._since = {
            key: known[key] if key in known and known[key][0] == value else (value, answered_at)
            for key, value in values.items()
        }
        return {key: asked_at - since for key, (_, since) in self._since.items()}


class Silence:
    """Watches all workers and attempts. A new instance finds nothing silent before it has watched for long enough."""

    def __init__(self, engine: Engine, *, dead_after_s: float, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._dead_after_s = dead_after_s
        self._workers: Watch[str] = Watch(clock)
        self._attempts: Watch[tuple[str, str]] = Watch(clock)

    def look_at_workers(self) -> dict[str, datetime]:
        """Return the last heartbeats of the workers that are dead. Frequent calls notice new heartbeats sooner."""
        heartbeats: dict[str, datetime] = {}

        def read() -> dict[str, datetime]:
            heartbeats.update(workers.heartbeats(self._engine))
            return heartbeats

        silent_s = self._workers.look(read)
        return {each: heartbeats[each] for each, seconds in silent_s.items() if seconds >= self._dead_after_s}

    def find(self) -> Silent:
        """Look at workers and attempts; return those that are silent."""
        return Silent(self.look_at_workers(), self._silent_attempts())

    def _silent_attempts(self) -> list[RunningAttempt]:
        running: dict[tuple[str, str], RunningAttempt] = {}

        def read() -> dict[tuple[str, str], datetime | None]:
            running.update({(each.id, each.token): each for each in repairs.running(self._engine)})
            return {key: each.lease_expires_at for key, each in running.items()}

        silent_s = self._attempts.look(read)
        return [each for key, each in running.items() if silent_s[key] >= _limit_s(each)]


def _limit_s(attempt: RunningAttempt) -> float:
    return min(attempt.lasts_s, ENOUGH_S) if attempt.is_expired else attempt.lasts_s

"""Statistics of the whole service, for `GET /stats` and the counts of `GET /types`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.api.single_flight import Check, cached_briefly
from app.broker.contents import Contents, Depths
from app.ledger import counters, statistics, workers

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.task_types import TaskTypes

REDIS_WITHIN_S = 0.25


class Statistics:
    """Answers about the whole service, each computed at most every two seconds. No server is contacted at first.

    `counts()`: how many tasks of each registered type are in each state. `all()`: the answer of `GET /stats`.
    """

    def __init__(self, settings: Settings, types: TaskTypes, engine: Engine, redis: Redis) -> None:
        self._engine = engine
        self._dead_after_s = settings.worker_dead_after_s
        contents, queues = Contents(redis), sorted({each.queue for each in types.delivered})
        self._depths = Check("depths", lambda: contents.depths(types.names, queues))
        self.counts = cached_briefly(lambda: statistics.count(engine, types.names))
        self.all = cached_briefly(self._compute)

    def _compute(self) -> dict[str, Any]:
        engine = self._engine
        counts, lateness, overdue = self.counts(), statistics.punctuality(engine), statistics.overdue(engine)
        known = workers.known(engine)
        depths = self._depths.within(REDIS_WITHIN_S)
        in_redis = asdict(depths) if depths else dict.fromkeys(Depths.__dataclass_fields__)
        return {
            "measured_at": datetime.now(UTC),
            "counted_up_to": statistics.COUNTED_UP_TO,
            "by_state": counts.by_state,
            "by_type": counts.of_type,
            "oldest_overdue_s": overdue.oldest_s,
            "punctuality": {
                "window_s": statistics.LATELY_S,
                **asdict(lateness.of_all),
                "by_type": {name: asdict(each) for name, each in lateness.by_type.items()},
                "early_total": lateness.early_total,
            },
            "backlog": {"due": overdue.tasks, **in_redis},
            "redis": "ok" if depths else "away",
            "workers": [{**asdict(each), "alive": each.silent_s <= self._dead_after_s} for each in known],
            "counters": counters.totals(engine),
        }

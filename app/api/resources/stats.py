"""How the service fares: one call for dashboards, scripts and people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import current_app

from app.api import shapes
from app.api.answers import json_answer
from app.api.cached import Cached
from app.api.openapi.operation import Operation
from app.api.openapi.resource import Resource
from app.api.resources.checks import Check
from app.api.services import services
from app.api_key import Scope
from app.broker.contents import Contents, Depths
from app.ledger import counters, statistics, workers

if TYPE_CHECKING:
    from flask import Flask, Response

    from app.api.services import Services
    from app.ledger.statistics import Counts

stats = Resource("Stats", __name__, "How it fares.")

REDIS_WITHIN_S = 0.25
KEY = "punctual-statistics"


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was counted a moment ago, and the question to Redis."""

    counts: Cached[Counts]
    all: Cached[dict[str, Any]]
    depths: Check[Depths]


@stats.operation(
    "GET", "/stats", Operation(summary="How does the service fare?", scope=Scope.READ, answers={200: (shapes.Stats,)})
)
def show() -> Response:
    """Counts, lateness, backlog, workers and counters, at most two seconds old.

    Nothing is counted beyond `counted_up_to`, so the call costs the same whatever the table holds. When Redis does not
    answer within 250 ms, `redis` says so, and what only Redis knows is null.
    """
    return json_answer(_statistics().all.get())


def kept_counts() -> Counts:
    """How many tasks of each registered type are in each state, a moment ago."""
    return _statistics().counts.get()


def prepare_statistics(app: Flask, parts: Services) -> None:
    """Give the application its questions; nobody is asked yet."""
    queues = sorted({each.queue for each in parts.types.delivered})
    contents = Contents(parts.redis)
    depths = Check("depths", lambda: contents.depths(parts.types.names, queues))
    counts = Cached(lambda: statistics.count(parts.engine, parts.types.names))
    app.extensions[KEY] = Statistics(counts, Cached(_gather), depths)


def _gather() -> dict[str, Any]:
    engine, settings = services().engine, services().settings
    counts, lately, overdue = kept_counts(), statistics.punctuality(engine), statistics.overdue(engine)
    known = workers.known(engine)
    depths = _statistics().depths.within(REDIS_WITHIN_S)
    in_redis = asdict(depths) if depths else dict.fromkeys(Depths.__dataclass_fields__)
    return {
        "measured_at": datetime.now(UTC),
        "counted_up_to": statistics.COUNTED_UP_TO,
        "by_state": counts.by_state,
        "by_type": counts.of_type,
        "oldest_overdue_s": overdue.oldest_s,
        "punctuality": {
            "window_s": statistics.LATELY_S,
            **asdict(lately.of_all),
            "by_type": {name: asdict(each) for name, each in lately.by_type.items()},
            "early_total": lately.early_total,
        },
        "backlog": {"due": overdue.tasks, **in_redis},
        "redis": "ok" if depths else "away",
        "workers": [{**asdict(each), "alive": each.silent_s <= settings.worker_dead_after_s} for each in known],
        "counters": counters.totals(engine),
    }


def _statistics() -> Statistics:
    found: Statistics = current_app.extensions[KEY]
    return found

"""The promoter: moves due ids from the due set onto RQ queues, to the millisecond. Any number may run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, zip_longest
from math import ceil
from typing import TYPE_CHECKING
from uuid import uuid4

from redis.exceptions import RedisError, ResponseError

from app.broker.contents import get_durations, probe_write
from app.broker.corrupt_keys import drop_corrupt_keys, may_be_corrupt
from app.broker.due_set import BEGIN_AHEAD_S, DueSet, Promoted, Route
from app.broker.keys import WAKE_CHANNEL
from app.broker.processes import SignOfLife
from app.broker.rq.jobs import MAX_IDS, Delivery, push, queue
from app.clock import PostgresClock
from app.config import read_settings, worker_name
from app.connections import connect_postgres, connect_redis
from app.ledger import server
from app.liveness import watch_process
from app.logs import configure_logs, get_logger
from app.loop import repeat, stop_on_signals
from app.start import sentence_instead_of_traceback
from app.streams import open_missing_streams
from app.task_types import TaskTypes, load_task_types

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

log = get_logger()

POLL_INTERVAL_S = 1.0
LOOP_LIMIT_S = 60.0
DURATIONS_INTERVAL_S = 0.25
DELIVERY_MS = 50.0
PARALLEL_MS, MAX_PARALLEL = 1600.0, 64
MIN_SLOW_IDS = 8
MIN_PAUSE_S = 0.002
MAX_PAUSE_S = 0.01


class Promoter:
    """Takes due ids, divides them into deliveries and pushes these; sleeps until the next id is due."""

    def __init__(
        self, engine: Engine, redis: Redis, types: TaskTypes, *, clock: Callable[[], float] | None = None
    ) -> None:
        self._redis = redis
        self._due_set = DueSet(redis)
        self._types = types
        self._clock = PostgresClock(partial(server.clock, engine), own=clock)
        self._took_back_at = self._routed_at = float("-inf")
        self._next_at = self._lost_at = math.inf
        self._pause_s = 0.0
        self._routes: list[Route] = []
        self._queues = {name: queue(name, redis) for name in {each.queue for each in types.delivered}}
        self._wake = redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]

    def step(self) -> bool:
        """Promote once; return whether more ids may be due already."""
        self._clock.refresh()
        now = self._clock.now()
        try:
            # The absolute difference, so that a clock that was set back does not hold these up.
            if now >= self._lost_at or abs(now - self._took_back_at) >= POLL_INTERVAL_S:
                self._take_back_lost(now)
            if abs(now - self._routed_at) >= DURATIONS_INTERVAL_S:
                self._update_routes(now)
            promotion = self._due_set.promote(self._routes, now=now)
            self._next_at, self._lost_at = promotion.next_at, promotion.lost_at
            if pushed := self._push(promotion.taken):
                self._due_set.confirm(promotion)
        except ResponseError as trouble:
            if may_be_corrupt(trouble):
                drop_corrupt_keys(self._redis, types=self._types.names, queues=self._queues)
            raise
        waiting = any(each.left for each in promotion.taken)
        longer_s = min(MAX_PAUSE_S, max(MIN_PAUSE_S, self._pause_s * 2))
        self._pause_s = longer_s if waiting and not pushed else MIN_PAUSE_S * waiting
        return pushed and waiting

    def wait(self) -> None:
        """Sleep until the next id is nearly due, or until an earlier one is added; at most a second.

        Raises:
            RedisError: Redis is unavailable, or refuses the subscription. The next call subscribes again.
        """
        try:
            if not self._wake.subscribed:
                self._wake.subscribe(WAKE_CHANNEL)
                self._wake.get_message(timeout=POLL_INTERVAL_S)  # the confirmation
                return  # the next step finds ids that were added before the subscription
            until_s = min(POLL_INTERVAL_S, min(self._next_at - BEGIN_AHEAD_S, self._lost_at) - self._clock.now())
            # `_pause_s` is set while due ids wait for room on the queues.
            self._wake.get_message(timeout=self._pause_s or max(MIN_PAUSE_S, until_s))
        except RedisError:
            self._wake.reset()
            raise

    def _take_back_lost(self, now: float) -> None:
        """Take lost deliveries back. Write at least once a second, because a replica answers reads."""
        probe_write(self._redis)
        self._took_back_at = now
        if lost := self._due_set.take_back((each.name for each in self._types.delivered), now=now):
            log.info("deliveries_taken_back", count=lost)

    def _update_routes(self, now: float) -> None:
        """Size deliveries by the latest durations."""
        self._routed_at = now
        durations = get_durations(self._redis)
        self._routes = [
            Route(each.name, each.queue, delivery_size(durations.get(each.name))) for each in self._types.delivered
        ]

    def _push(self, taken: list[Promoted]) -> bool:
        """Push deliveries of the ids taken; return whether there were any. Types take turns, so none delays another."""
        by_queue: defaultdict[str, list[list[Delivery]]] = defaultdict(list)
        for route, promoted in zip(self._routes, taken, strict=True):
            by_queue[route.queue].append(list(_deliveries(promoted, route.max_ids)))
        pushed = False
        for name, per_type in by_queue.items():
            if deliveries := [each for each in chain.from_iterable(zip_longest(*per_type)) if each]:
                push(self._queues[name], deliveries)
                pushed = True
        return pushed


def delivery_size(duration_ms: float | None) -> int:
    """Return how many tasks of this mean duration one delivery carries; 1 for a type that never ran.

    Fast types: about 50 ms of work, at most 500 tasks. Slow types: 8 to 64 tasks, about 1.6 s of work, because they run
    in parallel and RQ needs some milliseconds for each delivery.
    """
    if duration_ms is None:
        return 1
    mean_ms = max(duration_ms, 0.001)
    in_sequence = min(MAX_IDS, int(DELIVERY_MS / mean_ms))
    in_parallel = min(MAX_PARALLEL, int(PARALLEL_MS / mean_ms))
    return max(MIN_SLOW_IDS, in_sequence, in_parallel)


def _deliveries(promoted: Promoted, max_ids: int) -> Iterator[Delivery]:
    """Divide due ids equally between the workers, or into full deliveries if due ids were left behind.

    Ids that are not due yet go into separate deliveries, so that no due id waits for them.
    """
    workers = 1 if promoted.left else promoted.workers
    due_size = min(max_ids, ceil(len(promoted.ids) / workers) or 1)
    ahead_size = min(max_ids, ceil(len(promoted.ahead) / promoted.workers) or 1)
    for at in range(0, len(promoted.ids), due_size):
        yield Delivery(promoted.type, promoted.ids[at : at + due_size])
    for at in range(0, len(promoted.ahead), ahead_size):
        yield Delivery(promoted.type, [], promoted.ahead[at : at + ahead_size])


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    open_missing_streams()
    settings = read_settings()
    configure_logs(settings, process="promoter")
    stop = stop_on_signals()
    engine = connect_postgres(settings, name="promoter", pool=1)
    server.exit_if_unsuitable(engine, "promoter")
    redis = connect_redis(settings, timeout_s=5)
    promoter = Promoter(engine, redis, load_task_types(settings))
    watch_process(stop, limit_s=LOOP_LIMIT_S)
    sign = SignOfLife(redis, "promoter", worker_name(uuid4().hex[:8]))
    log.info("promoter_started")
    repeat(sign.after(promoter.step), wait=promoter.wait, stop=stop, name="promoter")
    log.info("promoter_stopped")


if __name__ == "__main__":
    with sentence_instead_of_traceback("promoter"):
        main()

"""Moves due ids from the schedule onto RQ queues, at the very millisecond; any number may run."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import chain, zip_longest
from math import ceil
from typing import TYPE_CHECKING, TypeVar

import structlog
from redis.exceptions import ResponseError

from app.broker.durations import get_durations
from app.broker.mending import mend
from app.broker.schedule import BEGIN_AHEAD_S, WAKE_CHANNEL, Lane, Promoted, Schedule
from app.config import read_settings
from app.connections import connect_postgres, connect_redis
from app.logs import configure_logs
from app.task_types import TaskTypes, load_task_types
from workers import delivery
from workers.clock import PostgresClock
from workers.delivery import LARGEST_ENVELOPE, Envelope
from workers.loop import repeat, stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis
    from rq import Queue
    from sqlalchemy import Engine

log = structlog.get_logger()

T = TypeVar("T")

LOOK_EVERY_S = 1.0
DURATIONS_EVERY_S = 0.25
ENVELOPE_MS = 50.0
SIDE_BY_SIDE_MS, MOST_SIDE_BY_SIDE = 1600.0, 64
SLOW_TOGETHER = 8
SHORTEST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.01


class Promoter:
    """One pass after another: take what is due, put it into envelopes, push them; sleep until the next instant."""

    def __init__(
        self, engine: Engine, redis: Redis, types: TaskTypes, *, clock: Callable[[], float] | None = None
    ) -> None:
        self._redis = redis
        self._schedule = Schedule(redis)
        self._types = types
        self._clock = PostgresClock(engine, own=clock)
        self._took_back_at = self._measured_at = float("-inf")
        self._next = self._lost_at = math.inf
        self._pause_s = 0.0
        self._lanes: list[Lane] = []
        self._queues: dict[str, Queue] = {}
        self._wake = redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]

    def step(self) -> bool:
        """One pass; True when more may be due already."""
        try:
            return self._pass()
        except ResponseError:
            mend(self._redis, types=self._types.names, queues={each.queue for each in self._types.delivered})
            raise

    def _pass(self) -> bool:
        self._clock.keep_right()
        now = self._clock.now()
        if now >= self._lost_at or abs(now - self._took_back_at) >= LOOK_EVERY_S:  # a clock may be set back
            self._took_back_at = now
            lost = self._schedule.take_back((each.name for each in self._types.delivered), now=now)
            if lost:
                log.info("deliveries_taken_back", count=lost)
        self._measure_envelopes(now)
        made = self._schedule.promote(self._lanes, now=now)
        self._next, self._lost_at = made.next_at, made.lost_at
        sent = self._send(made.taken)
        if sent:
            self._schedule.sent(made)
        waiting = any(each.left for each in made.taken)
        self._pause_s = _longer(self._pause_s) if waiting and not sent else SHORTEST_PAUSE_S * waiting
        return sent and waiting

    def wait(self) -> None:
        """Sleep until it is time for the next id, or until a new one becomes the first; at most a second."""
        if not self._wake.subscribed:
            self._wake.subscribe(WAKE_CHANNEL)
            return  # what was added before the subscription is seen by the next pass
        until = min(LOOK_EVERY_S, min(self._next - BEGIN_AHEAD_S, self._lost_at) - self._clock.now())
        # Due ids wait for room, or those that are nearly due do: look again soon.
        self._wake.get_message(timeout=self._pause_s or max(SHORTEST_PAUSE_S, until))

    def _measure_envelopes(self, now: float) -> None:
        if abs(now - self._measured_at) >= DURATIONS_EVERY_S:
            self._measured_at = now
            durations, delivered = get_durations(self._redis), self._types.delivered
            self._lanes = [Lane(each.name, each.queue, envelope_size(durations.get(each.name))) for each in delivered]

    def _send(self, taken: list[Promoted]) -> bool:
        """Push what was taken; types take turns, so that a flood of one does not hide another."""
        by_queue: defaultdict[str, list[list[Envelope]]] = defaultdict(list)
        for lane, promoted in zip(self._lanes, taken, strict=True):
            by_queue[lane.queue].append(list(_envelopes(promoted, lane.envelope)))
        sent = False
        for name, per_type in by_queue.items():
            if envelopes := [each for each in chain.from_iterable(zip_longest(*per_type)) if each]:
                delivery.send(self._queue(name), envelopes)
                sent = True
        return sent

    def _queue(self, name: str) -> Queue:
        if name not in self._queues:
            self._queues[name] = delivery.queue(name, self._redis)
        return self._queues[name]


def envelope_size(duration_ms: float | None) -> int:
    """How many tasks of this mean duration make about 50 ms of work, at most 500; 1 for a type that never ran.

    Slow ones run side by side, and RQ takes some ms for each envelope: 8 to 64 of them, about 1.6 s of work.
    """
    if duration_ms is None:
        return 1
    took_ms = max(duration_ms, 0.001)
    in_a_row = min(LARGEST_ENVELOPE, int(ENVELOPE_MS / took_ms))
    return max(SLOW_TOGETHER, in_a_row, min(MOST_SIDE_BY_SIDE, int(SIDE_BY_SIDE_MS / took_ms)))


def _envelopes(promoted: Promoted, largest: int) -> Iterator[Envelope]:
    """Each worker gets a fair share of the due ones, or full envelopes where more are to come.

    What is ahead travels apart, so that nobody waits for it.
    """
    sharers = 1 if promoted.left else promoted.workers
    for ids in _shares(promoted.ids, sharers, largest):
        yield Envelope(promoted.type, ids)
    for ahead in _shares(promoted.ahead, promoted.workers, largest):
        yield Envelope(promoted.type, [], ahead)


def _shares(those: Sequence[T], workers: int, largest: int) -> Iterator[Sequence[T]]:
    size = min(largest, max(1, ceil(len(those) / workers)))
    return (those[at : at + size] for at in range(0, len(those), size))


def _longer(pause_s: float) -> float:
    return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, pause_s * 2))


def main() -> None:
    """The `promoter` process."""
    settings = read_settings()
    configure_logs(settings, process="promoter")
    stop = stop_on_signals()
    engine = connect_postgres(settings, name="promoter", pool=1)
    promoter = Promoter(engine, connect_redis(settings, timeout_s=5), load_task_types(settings))
    log.info("promoter_started")
    repeat(promoter.step, wait=promoter.wait, stop=stop, name="promoter")
    log.info("promoter_stopped")


if __name__ == "__main__":
    main()

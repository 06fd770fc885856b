"""The parts of the table: those that are always measured, and extras that take minutes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.rows import create, drain, far, footprint, growth, kill, lag, lists
from benchmarks.service import Service, made_run
from benchmarks.tasks import warm_up

BENCH_WARM = partial(warm_up, task_type="bench")
GROWN, FAR, CURVE = "grown", "far", "curve"
BEYOND = far.Beyond()
WHAT = {
    GROWN: "a table of ten million tasks",
    FAR: "5 million tasks beyond the window",
    CURVE: "1 to 4 worker processes",
}
TAKES = {GROWN: "about 8 minutes", FAR: "about 5 minutes", CURVE: "about 2 minutes"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value of a measurement, by its key; `limit` is the key of the limit that bounds it."""

    key: str
    what: str
    unit: str
    goal: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A service of its own, measured several times; with an `option`, only if that is given.

    `opened` replaces the service, if it is given.
    """

    name: str
    measure: Callable[[Any], dict[str, float]]
    rows: tuple[Wanted, ...]
    prepare: Callable[[Any], object] = BENCH_WARM
    environment: Mapping[str, str] = field(default_factory=dict)
    web: int = 1
    workers: int = 2
    repeats: bool = True
    option: str = ""
    opened: Callable[[], AbstractContextManager[Any]] | None = None


def grown(service: Service) -> dict[str, float]:
    """Measure creation, drain, lag and lists in a grown table."""
    values = create.one_at_a_time(service) | create.together(service)
    values |= drain.drain(service, "bench", count=50_000)
    values |= lag.steady(service, seconds=10)
    return values | {f"lists {key}": value for key, value in lists.listing(service).items()}


DRAIN = (
    Wanted("drain /s", "until the last start", "tasks/s", "25,000 or more", limit="loop drain"),
    Wanted("early", "started early", "tasks", "0"),
)
LAG = (
    Wanted("p50 ms", "lag p50", "ms", limit="loop p50"),
    Wanted("p99 ms", "lag p99", "ms", limit="loop p99"),
    Wanted("worst ms", "lag worst", "ms"),
    Wanted("early", "started early", "tasks", "0"),
)
USUAL = (
    Part(
        name="POST /tasks, 32 connections, 2 web processes",
        measure=create.one_at_a_time,
        web=2,
        rows=(
            Wanted("create /s", "created", "tasks/s", "4,000 or more", limit="bare"),
            Wanted("create p99 ms", "p99", "ms", "under 30", limit="bare p99"),
        ),
    ),
    Part(
        name="POST /tasks/batch of 1,000, 2 web processes",
        measure=create.together,
        web=2,
        rows=(Wanted("batch tasks/s", "created", "tasks/s", "60,000 or more", limit="insert"),),
    ),
    Part(name="drain 50,000 in processes", measure=partial(drain.drain, task_type="bench", count=50_000), rows=DRAIN),
    Part(
        name="drain 50,000 in threads",
        measure=partial(drain.drain, task_type="bench_thread", count=50_000),
        prepare=partial(warm_up, task_type="bench_thread"),
        rows=DRAIN,
    ),
    Part(
        name="burst of 10,000",
        measure=partial(drain.drain, task_type="bench", count=10_000),
        rows=(Wanted("first to last start s", "first to last start", "s", "under 0.4", limit="loop burst"),),
    ),
    Part(name="100 tasks/s for 20 s", measure=lag.steady, rows=LAG),
    Part(
        name="idle, created 2 s ahead, 100 times",
        measure=lag.idle,
        rows=LAG,
    ),
    Part(
        name="1,000 naps of 50 ms, 2 x 32 slots",
        measure=drain.naps,
        prepare=partial(warm_up, task_type="nap", count=200),
        environment={"SLOTS": "32"},
        rows=(Wanted("x ideal", "until the last end", "x ideal", "1.3 or less"),),
    ),
    Part(
        name="kill -9 of all workers in mid-drain",
        measure=kill.killed,
        prepare=partial(warm_up, task_type="nap", count=50),
        repeats=False,
        rows=(
            Wanted("open", "open after 20 s", "tasks", "0"),
            Wanted("doubled", "doubled", "tasks", "0"),
            Wanted("missing", "missing", "tasks", "0"),
            Wanted("worker_lost", "cut in the middle: worker_lost", "tasks"),
        ),
    ),
    Part(
        name="a waiting task",
        measure=footprint.waiting,
        repeats=False,
        rows=(
            Wanted("redis beyond", "Redis, beyond the window", "bytes", "0"),
            Wanted("redis within", "Redis, within it", "bytes", "130 or less"),
            Wanted("postgres", "Postgres with indexes", "bytes", "260 or less"),
        ),
    ),
    Part(
        name="nothing due, 1 million scheduled",
        measure=footprint.idle,
        prepare=partial(growth.fill, final=0),
        repeats=False,
        rows=(
            Wanted("cpu %", "CPU of all processes", "% of a core", "under 3"),
            Wanted("memory MB", "resident, shared pages divided", "MB"),
        ),
    ),
    Part(
        name="`make run`, nothing asked of it",
        measure=footprint.resident,
        opened=made_run,
        prepare=lambda _: None,
        rows=(Wanted("memory MB", "resident, shared pages divided", "MB", "under 450"),),
    ),
)
EXTRAS = (
    *(
        Part(
            name=f"scale out, workers: {workers}",
            measure=drain.curve,
            prepare=drain.warm_curve,
            workers=workers,
            repeats=False,
            option=CURVE,
            rows=(
                Wanted("no-op /s", "50,000 no-op tasks", "tasks/s"),
                Wanted("doze /s", "5,000 tasks of 5 ms", "tasks/s"),
            ),
        )
        for workers in (1, 2, 3, 4)
    ),
    Part(
        name="5 million tasks beyond the window",
        measure=BEYOND.feeding,
        prepare=BEYOND.prepare,
        environment={"SCHEDULE_WINDOW_S": str(far.WINDOW_S)},
        option=FAR,
        rows=(
            Wanted("ids", "ids of them in Redis", "ids", "0"),
            Wanted("bytes", "bytes that they take in its sorted sets", "bytes", "0"),
            Wanted("p50 ms", "lag p50 at 100/s", "ms", limit="loop p50"),
            Wanted("p99 ms", "lag p99 at 100/s", "ms", limit="loop p99"),
            Wanted("feeding s", "100,000 of them enter the window: feeding them took", "s"),
            Wanted("feeding p50 ms", "lag p50 meanwhile and in the second after", "ms", "as before", limit="loop p50"),
            Wanted("feeding p99 ms", "lag p99 meanwhile and in the second after", "ms", "as before", limit="loop p99"),
        ),
    ),
    Part(
        name="10 million final, 1 million scheduled",
        measure=grown,
        prepare=growth.prepare,
        web=2,
        repeats=False,
        option=GROWN,
        rows=(
            Wanted("create /s", "created one by one", "tasks/s", "0.8 x or more", limit="bare"),
            Wanted("batch tasks/s", "created together", "tasks/s", "0.8 x or more", limit="insert"),
            Wanted("drain /s", "drain of 50,000", "tasks/s", "0.8 x or more", limit="loop drain"),
            Wanted("p50 ms", "lag p50 at 100/s", "ms", limit="loop p50"),
            Wanted("p99 ms", "lag p99 at 100/s", "ms", limit="loop p99"),
            Wanted("lists p95 ms", "lists, any filter, p95", "ms", "under 50"),
            Wanted("lists worst ms", "lists, any filter, worst", "ms"),
            Wanted("lists ids p95 ms", "lists, beginnings of ids from 8 digits on, p95", "ms"),
            Wanted("lists ids worst ms", "lists, beginnings of ids from 8 digits on, worst", "ms"),
        ),
    ),
)

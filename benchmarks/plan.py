"""All parts of the table, in its order: what each starts, measures, and is to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.rows import create, drain, growth, kill, lag, lists, rest, size, slow
from benchmarks.tasks import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.service import Service


BENCH_WARM = partial(warm_up, task_type="bench")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value of a measure, by its key there."""

    key: str
    what: str
    unit: str
    goal: str = ""
    beside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A service of its own, measured again and again."""

    name: str
    measure: Callable[[Service], dict[str, float]]
    rows: tuple[Wanted, ...]
    prepare: Callable[[Service], object] = BENCH_WARM
    environment: Mapping[str, str] = field(default_factory=dict)
    web: int = 1
    repeats: bool = True


def grown(service: Service) -> dict[str, float]:
    """The same measures in a table that has grown."""
    told = create.one_at_a_time(service) | create.together(service)
    told |= drain.drain(service, "bench", count=50_000)
    told |= lag.steady(service, seconds=10)
    return told | {f"lists {key}": value for key, value in lists.listing(service).items()}


DRAIN = (
    Wanted("drain /s", "until the last start", "tasks/s", "25,000 or more"),
    Wanted("early", "started early", "tasks", "0"),
)
LAG = (
    Wanted("p50 ms", "lag p50", "ms"),
    Wanted("p99 ms", "lag p99", "ms"),
    Wanted("worst ms", "lag worst", "ms"),
    Wanted("early", "started early", "tasks", "0"),
)
PLAN = (
    Part(
        name="POST /tasks, 32 connections, 2 web processes",
        measure=create.one_at_a_time,
        web=2,
        rows=(
            Wanted("create /s", "created", "tasks/s", "4,000 or more"),
            Wanted("create p99 ms", "p99", "ms", "under 30"),
        ),
    ),
    Part(
        name="POST /tasks/batch of 1,000, 2 web processes",
        measure=create.together,
        web=2,
        rows=(Wanted("batch tasks/s", "created", "tasks/s", "60,000 or more"),),
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
        rows=(Wanted("first to last start s", "first to last start", "s", "under 0.4"),),
    ),
    Part(name="100 tasks/s for 30 s", measure=lag.steady, rows=LAG),
    Part(name="idle, created 2 s ahead, 200 times", measure=lag.idle, rows=LAG),
    Part(
        name="1,000 naps of 50 ms, 2 x 32 slots",
        measure=slow.naps,
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
        measure=size.waiting,
        repeats=False,
        rows=(
            Wanted("redis beyond", "Redis, beyond the window", "bytes", "0"),
            Wanted("redis within", "Redis, within it", "bytes", "130 or less"),
            Wanted("postgres", "Postgres with indexes", "bytes", "260 or less"),
        ),
    ),
    Part(
        name="nothing due, 1 million scheduled",
        measure=rest.idle,
        prepare=partial(growth.fill, final=0),
        repeats=False,
        rows=(
            Wanted("cpu %", "CPU of all processes", "% of a core", "under 3"),
            Wanted("memory MB", "resident, shared pages divided", "MB", "under 450"),
        ),
    ),
    Part(
        name="10 million final, 1 million scheduled",
        measure=grown,
        prepare=growth.prepare,
        web=2,
        repeats=False,
        rows=(
            Wanted("create /s", "created one by one", "tasks/s", "0.8 x or more"),
            Wanted("batch tasks/s", "created together", "tasks/s", "0.8 x or more"),
            Wanted("drain /s", "drain of 50,000", "tasks/s", "0.8 x or more"),
            Wanted("p50 ms", "lag p50 at 100/s", "ms"),
            Wanted("p99 ms", "lag p99 at 100/s", "ms"),
            Wanted("lists p95 ms", "lists, any filter, p95", "ms", "under 50"),
            Wanted("lists worst ms", "lists, any filter, worst", "ms"),
        ),
    ),
)

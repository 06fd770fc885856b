"""All parts of the table that are always measured, in its order."""

from __future__ import annotations

from functools import partial

from benchmarks.made_run import made_run
from benchmarks.part import Part, Wanted
from benchmarks.rows import create, drain, growth, kill, lag, rest, size, slow
from benchmarks.tasks import warm_up

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
            Wanted("memory MB", "resident, shared pages divided", "MB"),
        ),
    ),
    Part(
        name="`make run`, nothing asked of it",
        measure=rest.resident,
        opened=made_run,
        prepare=lambda _: None,
        rows=(Wanted("memory MB", "resident, shared pages divided", "MB", "under 450"),),
    ),
)

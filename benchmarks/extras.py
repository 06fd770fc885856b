"""Parts that take minutes each: measured only where their option is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.part import Part, Wanted
from benchmarks.rows import create, curve, drain, far, growth, lag, lists

if TYPE_CHECKING:
    from benchmarks.service import Service

GROWN, FAR, CURVE = "grown", "far", "curve"
BEYOND = far.Beyond()
WHAT = {
    GROWN: "a table of ten million tasks",
    FAR: "5 million tasks beyond the window",
    CURVE: "1 to 4 worker processes",
}
TAKES = {GROWN: "about 8 minutes", FAR: "about 5 minutes", CURVE: "about 2 minutes"}


def grown(service: Service) -> dict[str, float]:
    """The same measures in a table that has grown."""
    told = create.one_at_a_time(service) | create.together(service)
    told |= drain.drain(service, "bench", count=50_000)
    told |= lag.steady(service, seconds=10)
    return told | {f"lists {key}": value for key, value in lists.listing(service).items()}


EXTRAS = (
    *(
        Part(
            name=f"scale out, workers: {workers}",
            measure=curve.drains,
            prepare=curve.prepare,
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

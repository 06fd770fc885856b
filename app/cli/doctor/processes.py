"""Check of the processes that record their steps in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.cli.doctor.finding import Finding, fail, ok, warn
from app.cli.output import lag

SILENT_AFTER_S = 15.0
WITHOUT = {
    "promoter": "no task is delivered to a worker",
    "sweeper": "what Redis lost and what dead workers held stays where it is",
    "scheduler": "final tasks are not removed",
}


def check_processes(silent: Mapping[str, Sequence[float]]) -> Iterator[Finding]:
    """Check that one process of each kind has made a step lately; `silent` is how long ago, in seconds."""
    for kind, effect in WITHOUT.items():
        found = silent.get(kind, ())
        working = [each for each in found if each <= SILENT_AFTER_S]
        if working:
            yield ok(kind, f"{len(working)} at work, the last step {lag(max(0.0, min(working)) * 1000)} ago")
            continue
        remedy = f"Start one, or see the log of the {kind}."
        if not found:  # an earlier release records nothing, and a wiped Redis has nothing for a moment
            yield warn(kind, f"none has recorded a step; without one, {effect}", remedy)
            continue
        level = warn if kind == "scheduler" else fail
        yield level(kind, f"the last step was {lag(min(found) * 1000)} ago, so {effect}", remedy)

"""Check of the processes that record their steps in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.cli.doctor.finding import Finding, fail, ok, warn
from app.cli.output import lag

SILENT_AFTER_S = 15.0
WITHOUT = {
    "promoter": "no task is delivered to a worker",
    "sweeper": "ids that Redis lost are not restored, and tasks of dead workers are not rescued",
    "scheduler": "final tasks are not removed",
}


def check_processes(silent: Mapping[str, Sequence[float]]) -> Iterator[Finding]:
    """Check that a process of each kind has made a step recently. `silent` has the seconds since the last step."""
    for kind, effect in WITHOUT.items():
        found = silent.get(kind, ())
        working = [each for each in found if each <= SILENT_AFTER_S]
        if working:
            yield ok(kind, f"{len(working)} running, the last step was {lag(max(0.0, min(working)) * 1000)} ago")
            continue
        remedy = f"Start one, or see the log of the {kind}."
        if not found:  # an earlier release records nothing, and after a wipe the next record takes some seconds
            yield warn(kind, f"none has recorded a step; without one, {effect}", remedy)
            continue
        level = warn if kind == "scheduler" else fail
        yield level(kind, f"the last step was {lag(min(found) * 1000)} ago, so {effect}", remedy)

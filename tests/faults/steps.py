"""The legal changes of a task's state and attempt, as in docs/states.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.facts import Facts
    from tests.faults.history import Change

# The possible changes of `attempt` by (old state, new state).
LEGAL: dict[tuple[str | None, str | None], set[int]] = {
    (None, "scheduled"): {0},
    ("scheduled", "scheduled"): {0},
    ("scheduled", "running"): {1},
    ("scheduled", "deleted"): {0},
    ("running", "running"): {0},
    ("running", "scheduled"): {0, -1},  # retried, handed back
    ("running", "succeeded"): {0},
    ("running", "failed"): {0},
}


def illegal(facts: Facts) -> Iterator[str]:
    """Find changes that are not legal, and changes that do not start from the previous state."""
    for task_id, trail in facts.trails.items():
        before: tuple[str | None, int] = (None, 0)
        for each in trail:
            if (each.old, each.old_attempt) != before:
                yield f"{task_id} was {before}, and then {each.old, each.old_attempt}"
            if each.attempt - each.old_attempt not in LEGAL.get((each.old, each.new), ()):
                yield f"{task_id} went from {each.old} ({each.old_attempt}) to {each.new} ({each.attempt})"
            before = each.new, each.attempt
        task = facts.history.tasks.get(task_id)
        if task and (task.state, task.attempt) != before:
            yield f"{task_id} is {task.state, task.attempt}, and its last step led to {before}"


def ends_attempt(change: Change, attempt: int) -> bool:
    """Return whether a change ended the attempt. Handing back does not, because the handler has not started."""
    return change.old == "running" and change.new != "running" and change.old_attempt == attempt == change.attempt

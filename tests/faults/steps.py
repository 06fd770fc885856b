"""The steps a task's row may take, as docs/states.md has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.facts import Facts
    from tests.faults.history import Change

# By (old state, new state): by how much `attempt` may change.
LEGAL: dict[tuple[str | None, str | None], set[int]] = {
    (None, "scheduled"): {0},
    ("scheduled", "scheduled"): {0},
    ("scheduled", "running"): {1},
    ("scheduled", "deleted"): {0},
    ("running", "running"): {0},
    ("running", "scheduled"): {0, -1},  # to be tried again, handed back
    ("running", "succeeded"): {0},
    ("running", "failed"): {0},
}


def illegal(facts: Facts) -> Iterator[str]:
    """Every step that is not among them, and each state that does not follow from the one before."""
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
    """Whether this attempt was over with this step: not when it was handed back, for its code has not begun."""
    return change.old == "running" and change.new != "running" and change.old_attempt == attempt == change.attempt

"""Views of a history by task and attempt, for the checks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tests.faults.steps import ends_attempt

if TYPE_CHECKING:
    from tests.acceptance.witness import Sight
    from tests.faults.history import Answer, Change, History

Attempt = tuple[str, int]  # task id, number


@dataclass
class Facts:
    """Lookup tables, each built on first use."""

    history: History

    @cached_property
    def begun(self) -> dict[Attempt, list[Sight]]:
        """All starts of each attempt."""
        return self._sights("began")

    @cached_property
    def ended(self) -> dict[Attempt, list[Sight]]:
        """All ends of each attempt."""
        return self._sights("ended")

    @cached_property
    def begun_tasks(self) -> set[str]:
        """The ids of all tasks that started."""
        return {task_id for task_id, _ in self.begun}

    @cached_property
    def trails(self) -> dict[str, list[Change]]:
        """The changes of each task, in order."""
        trails: defaultdict[str, list[Change]] = defaultdict(list)
        for each in self.history.changes:
            trails[each.task_id].append(each)
        return trails

    @cached_property
    def claims(self) -> dict[Attempt, list[Change]]:
        """All claims of each attempt; several if a claim was handed back in between."""
        claims: defaultdict[Attempt, list[Change]] = defaultdict(list)
        for each in self.history.changes:
            if each.new == "running" and each.old != "running":
                claims[each.task_id, each.attempt].append(each)
        return claims

    @cached_property
    def lost_at(self) -> dict[Attempt, float]:
        """When attempts ended with `worker_lost`, because their workers showed no sign of life."""
        return {
            (each.task_id, each.attempt): each.at
            for each in self.history.changes
            if each.error == "worker_lost" and ends_attempt(each, each.attempt)
        }

    @cached_property
    def created(self) -> set[str]:
        """The ids of all tasks whose creation was answered with 201."""
        return {each.task_id for each in self.answers("create", 201) if each.task_id}

    def answers(self, act: str, status: int) -> list[Answer]:
        """Return the requests of this kind with this status."""
        return [each for each in self.history.answers if each.act == act and each.status == status]

    def _sights(self, what: str) -> dict[Attempt, list[Sight]]:
        sights: defaultdict[Attempt, list[Sight]] = defaultdict(list)
        for each in self.history.sights:
            if each.what == what:
                sights[each.task_id, each.attempt].append(each)
        return dict(sights)

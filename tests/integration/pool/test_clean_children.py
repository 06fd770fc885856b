"""A child is clean: a task does not find what an earlier task has changed in its process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.integration.pool.one_slot import OneSlot, children_with
from tests.unclean import CHANGES, USES

if TYPE_CHECKING:
    from app.config import Settings

CLOSED = {"closed output", "closed errors", "detached output"}  # restored, or the child is replaced
# After these the child is replaced, because they cannot be undone or are still running.
REPLACED = {
    "closed descriptors",
    "all closed",
    "hard limit",
    "thread",
    "timer thread",
    "busy thread pool",
    "process",
    "forked process",
    "worker process",
} | ({"root folder", "user"} if os.geteuid() == 0 else set())


@pytest.fixture(scope="module")
def slot(settings: Settings) -> Iterator[OneSlot]:
    """A slot whose children run the tasks of several tests."""
    assert settings
    with children_with() as pools:
        pools.append(OneSlot())
        yield pools[0]


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_task_finds_nothing_of_what_the_task_before_it_has_changed(slot: OneSlot, change: str) -> None:
    before, process = slot.run("state"), slot.run("pid")
    for _ in range(2):
        assert slot.run("change", name=change) == change
        assert slot.run("state") == before
    if change not in CLOSED:
        assert (slot.run("pid") != process) == (change in REPLACED)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["folder", "variable", "umask", "thread", "closed descriptors", "all closed"])
def test_the_tasks_of_one_chunk_are_clean_too(slot: OneSlot, change: str) -> None:
    before = slot.run("state")
    slot.pool.durations.means_ms["change"] = 0.01
    assert slot.run_all("change", 8, name=change) == [change] * 8
    assert slot.run("state") == before


@pytest.mark.parametrize("use", sorted(USES))
def test_processes_and_threads_work_in_a_handler_and_the_child_is_kept(slot: OneSlot, use: str) -> None:
    process = slot.run("pid")
    expected = {"terminated process": -15, "subprocess": "2\n"}.get(use, [2, 4])
    assert [slot.run("use", name=use) for _ in range(3)] == [expected] * 3
    assert slot.run("pid") == process


def test_a_task_that_seeds_the_generator_does_not_decide_the_numbers_of_the_next_one(slot: OneSlot) -> None:
    seeded = [slot.run("number", name="seed")[0] for _ in range(2)]
    assert seeded[0] == seeded[1]
    numbers = []
    for _ in range(2):
        slot.run("number", name="seed")
        numbers.append(slot.run("number", name="")[0])
    assert numbers[0] != numbers[1]

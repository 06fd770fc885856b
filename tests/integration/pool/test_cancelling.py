"""Cancelling one task by its id: it ends once, and other tasks continue."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.task import TaskState
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import is_alive
from tests.integration.pool.results import PATIENCE_S, Results, claim, is_cancelled
from workers.pool.slot import ProcessSlot

if TYPE_CHECKING:
    from app.outcome import Outcome
    from app.task import Claim
    from workers.pool.pool import Pool

ROUNDS = 60
CHUNK = 12
STREAM = 2000


def test_the_pool_knows_which_slot_runs_a_task(pool: Pool, results: Results, tmp_path: Path) -> None:
    task = running(pool, tmp_path / "witness", seconds=1)
    other = running(pool, tmp_path / "other", seconds=0.5)
    slots = [pool.slot_of(each.id) for each in (task, other)]
    assert [slot and (runs := slot.running()) and runs[0].id for slot in slots] == [task.id, other.id]
    assert pool.slot_of("unknown") is None
    results.wait_for(2)
    assert pool.slot_of(task.id) is pool.slot_of(other.id) is None


def test_a_task_that_runs_in_a_child_is_killed_and_ends_once(pool: Pool, results: Results, tmp_path: Path) -> None:
    task = running(pool, tmp_path / "witness", seconds=60)
    slot = pool.slot_of(task.id)
    assert isinstance(slot, ProcessSlot)
    assert slot.pid
    pool.cancel(task.id)
    assert is_cancelled(results.wait_for(1)[task.id])
    assert not is_alive(slot.pid)
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    pool.cancel(task.id)
    assert pool.is_supervised(PATIENCE_S)
    assert results.nothing_more()


def test_tasks_queued_behind_a_cancelled_task_begin_in_its_place(
    pool: Pool, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.pool.supervisor.MAX_DELAY_S", PATIENCE_S)
    long = [running(pool, tmp_path / str(number), seconds=60) for number in range(3)]  # so that only one slot is free
    first, rest = witness(tmp_path / "first", seconds=60), [witness(tmp_path / "rest") for _ in range(5)]
    pool.durations.means_ms["witness"] = 0.01  # so that they share a chunk
    pool.run([first, *rest])
    wait_until((tmp_path / "first").exists, PATIENCE_S, "it runs")
    assert {pool.slot_of(each.id) for each in rest} == {pool.slot_of(first.id)}
    pool.cancel(first.id)
    outcomes = results.wait_for(6)
    assert is_cancelled(outcomes[first.id])
    assert {outcomes[each.id].state for each in rest} == {TaskState.SUCCEEDED}
    assert began(tmp_path / "rest") == [each.id for each in rest]
    assert all(pool.slot_of(each.id) for each in long)
    assert results.nothing_more()


def test_a_task_that_has_not_begun_is_withdrawn_and_the_others_go_on_in_their_slot(
    pool: Pool, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.pool.supervisor.MAX_DELAY_S", PATIENCE_S)
    for position in (1, 4, 5):
        file = tmp_path / str(position)
        chunk = [witness(file, seconds=0.3), *(witness(file) for _ in range(5))]
        pool.durations.means_ms["witness"] = 0.01
        pool.run(chunk)
        wait_until(file.exists, PATIENCE_S, "the first one runs")
        pool.cancel(chunk[position].id)
        assert is_cancelled(results.wait_for(1)[chunk[position].id])
        rest = [each.id for each in chunk if each is not chunk[position]]
        assert [each.state for each in results.wait_for(5).values()] == [TaskState.SUCCEEDED] * 5
        assert began(file) == rest
        assert len({line.split()[-1] for line in file.read_text().splitlines()}) == 1, "one process ran them all"
        assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()


def test_a_thread_is_left_alone_and_its_late_return_is_ignored(pool: Pool, results: Results) -> None:
    task = claim("thread-nap", seconds=0.7)
    pool.run([task])
    wait_until(lambda: bool((slot := pool.slot_of(task.id)) and slot.running()), PATIENCE_S, "it runs")
    pool.cancel(task.id)
    assert is_cancelled(results.wait_for(1)[task.id])
    assert pool.free_slots.count == 3
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()
    pool.run([claim("thread-nap", seconds=0)])
    assert [each.state for each in results.wait_for(1).values()] == [TaskState.SUCCEEDED]


def test_cancelling_a_task_that_the_pool_does_not_hold_changes_nothing(pool: Pool, results: Results) -> None:
    over = claim("noop")
    pool.run([over])
    results.wait_for(1)
    pool.cancel(over.id)
    pool.cancel("unknown")
    again = claim("noop")
    pool.run([again])
    assert results.wait_for(1)[again.id].state is TaskState.SUCCEEDED
    assert results.nothing_more()


@pytest.mark.parametrize("patience_s", [PATIENCE_S, 0.1, 0.002])
def test_a_cancellation_at_any_moment_lets_every_other_task_run_exactly_once(
    pool: Pool, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    """With a short patience, tasks queued behind a slow one move to other slots or are handed back in the meantime."""
    monkeypatch.setattr("workers.pool.supervisor.MAX_DELAY_S", patience_s)
    chance = random.Random(patience_s)
    cancelled = 0
    for number in range(ROUNDS):
        pool.durations.means_ms["witness"] = 0.01
        file = tmp_path / str(number)
        chunk = [witness(file, seconds=chance.choice([0, 0, 0.001, 0.005])) for _ in range(CHUNK)]
        victim = chance.choice(chunk)
        pool.run(chunk)
        time.sleep(chance.uniform(0, 0.03))
        pool.cancel(victim.id)
        outcomes = all_outcomes(results, chunk)
        ran = began(file)
        others = [each.id for each in chunk if each.id != victim.id and each.id in outcomes]
        assert all(outcomes[each].state is TaskState.SUCCEEDED for each in others)
        assert sorted(each for each in ran if each != victim.id) == sorted(others)
        assert patience_s < PATIENCE_S or len(outcomes) == CHUNK
        assert ran.count(victim.id) <= 1
        cancelled += victim.id in outcomes and is_cancelled(outcomes[victim.id])
        assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()
    assert cancelled, "it came too late every time"


def test_cancelling_short_tasks_of_a_stream_harms_no_other_task(
    pool: Pool, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task may end while the supervisor holds the tokens of its chunk in order to kill it."""
    monkeypatch.setattr("workers.pool.supervisor.MAX_DELAY_S", PATIENCE_S)
    chance = random.Random(1)
    cancelled = 0
    for _ in range(ROUNDS // 4):
        pool.durations.means_ms["noop"] = 0.01
        chunk = [claim("noop") for _ in range(STREAM)]
        victims = {each.id for each in chance.sample(chunk, STREAM // 10)}
        pool.run(chunk)
        for each in victims:
            time.sleep(chance.uniform(0, 0.0002))
            pool.cancel(each)
        outcomes = all_outcomes(results, chunk)
        assert len(outcomes) == STREAM
        assert {each.state for each in outcomes.values()} <= {TaskState.SUCCEEDED, TaskState.CANCELLED}
        assert {each.id for each in outcomes.values() if is_cancelled(each)} <= victims
        cancelled += sum(is_cancelled(each) for each in outcomes.values())
        assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()
    assert cancelled, "they came too late every time"


def test_a_task_that_ends_just_before_it_is_killed_harms_no_other_task(
    pool: Pool, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.pool.supervisor.MAX_DELAY_S", PATIENCE_S)
    chance = random.Random(1)
    for _ in range(3 * ROUNDS):
        pool.durations.means_ms["nap"] = 0.01
        chunk = [claim("nap", seconds=0.0003) for _ in range(CHUNK)]
        pool.run(chunk)
        until = time.monotonic() + PATIENCE_S
        while not (victim := current(pool, chunk)) and time.monotonic() < until:
            time.sleep(0)
        time.sleep(chance.uniform(0, 0.0005))
        pool.cancel(victim or "none")
        outcomes = all_outcomes(results, chunk)
        assert len(outcomes) == CHUNK
        assert {each.id for each in outcomes.values() if is_cancelled(each)} <= {victim}
        assert {each.state for each in outcomes.values()} <= {TaskState.SUCCEEDED, TaskState.CANCELLED}
        assert pool.free_slots.wait_until_all_free(PATIENCE_S)


def current(pool: Pool, chunk: list[Claim]) -> str | None:
    """Return the id of the running task of this chunk."""
    slots = [slot for each in chunk if (slot := pool.slot_of(each.id))]
    running = slots[0].running() if slots else None
    return running[0].id if running else None


def all_outcomes(results: Results, chunk: list[Claim]) -> dict[str, Outcome]:
    """Return the outcomes of these claims. Each claim has exactly one, or is handed back."""
    outcomes: list[Outcome] = []
    back: list[str] = []
    until = time.monotonic() + PATIENCE_S
    while len(outcomes) + len(back) < len(chunk) and time.monotonic() < until:
        time.sleep(0.001)
        outcomes += [results.outcomes.get_nowait() for _ in range(results.outcomes.qsize())]
        back += [results.handed_back.get_nowait().id for _ in range(results.handed_back.qsize())]
    assert sorted([each.id for each in outcomes] + back) == sorted(each.id for each in chunk)
    return {each.id: each for each in outcomes}


def witness(file: Path, *, seconds: float = 0) -> Claim:
    """Return a claim of a task that writes to a file when it begins."""
    return claim("witness", file=str(file), seconds=seconds, timeout_s=60)


def running(pool: Pool, file: Path, *, seconds: float) -> Claim:
    """Run a task and wait until it has begun."""
    task = witness(file, seconds=seconds)
    pool.run([task])
    wait_until(file.exists, PATIENCE_S, "it runs")
    return task


def began(file: Path) -> list[str]:
    """Return the ids of the tasks that began, in order, one entry for each start."""
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [task_id for what, task_id, *_ in lines if what == "began"]

"""Killing: tasks that time out, crash or are fenced end with one outcome each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import is_alive
from tests.integration.pool.results import PATIENCE_S, Results, claim, error, message
from workers.pool.protocol import Failure

if TYPE_CHECKING:
    from app.outcome import Outcome
    from workers.pool.pool import Pool


@pytest.mark.parametrize("task_type", ["oversleep", "stubborn", "spin"])
def test_every_kind_of_handler_is_killed_at_its_timeout(pool: Pool, results: Results, task_type: str) -> None:
    long, short = claim(task_type, timeout_s=0.5), [claim("noop") for _ in range(50)]
    pool.run([long])
    pool.run(short)
    outcomes = results.wait_for(51)
    assert error(outcomes[long.id]) == "timeout"
    assert all(outcomes[each.id].error is None for each in short)


def test_tasks_queued_behind_a_stopped_child_are_run_by_another(
    pool: Pool, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.pool.supervisor.BETWEEN_TASKS_LIMIT_S", 3.0)
    pool.run([claim("halt") for _ in range(100)])  # then the type is known to be fast: ten tasks go to one child
    results.wait_for(100)
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    claims = [claim("halt", now=True), *(claim("halt") for _ in range(9))]
    pool.run(claims)
    assert {each.error for each in results.wait_for(10).values()} == {None}
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()


def test_killed_threads_of_a_stream_report_each_outcome_once(pool: Pool, results: Results) -> None:
    for _ in range(20):
        claims = [claim("thread-noop") for _ in range(400)]
        pool.run(claims)
        pool.kill_all(Failure("worker_lost", "a fence"))
        assert pool.free_slots.wait_until_all_free(PATIENCE_S)
        reported = [results.outcomes.get_nowait().id for _ in range(results.outcomes.qsize())]
        reported += [results.handed_back.get_nowait().id for _ in range(results.handed_back.qsize())]
        assert sorted(reported) == sorted(each.id for each in claims)


def test_the_processes_that_a_handler_started_are_killed_with_it(pool: Pool, results: Results, tmp_path: Path) -> None:
    pool.run([claim("parent", timeout_s=0.7, file=str(tmp_path / "pid"))])
    results.wait_for(1)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_alive(pid), PATIENCE_S, "it is killed")


def test_a_handler_that_kills_its_process_fails_only_its_own_task(pool: Pool, results: Results) -> None:
    pool.durations.means_ms["die"] = pool.durations.means_ms["noop"] = 0.01  # so that they share a chunk
    fatal, others = claim("die"), [claim("noop") for _ in range(100)]
    pool.run([*others[:50], fatal, *others[50:]])
    outcomes = results.wait_for(101)
    assert error(outcomes[fatal.id]) == "crashed"
    assert "SIGKILL" in message(outcomes[fatal.id])
    assert all(outcomes[each.id].error is None for each in others)


def test_killing_all_tasks_gives_each_its_outcome(pool: Pool, results: Results) -> None:
    pool.run([claim("nap", seconds=60) for _ in range(4)])
    pool.run([])
    assert pool.free_slots.count == 0
    pool.kill_all(Failure("worker_lost", "stopped"))
    outcomes, back = results.outcomes.qsize(), results.handed_back.qsize()
    assert outcomes + back == 4
    assert {error(each) for each in results.wait_for(outcomes).values()} <= {"worker_lost"}
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)


def test_a_thread_that_times_out_fails_its_task_and_frees_its_slot_when_it_returns(
    pool: Pool, results: Results
) -> None:
    pool.run([claim("thread-nap", timeout_s=0.2, seconds=1)])
    assert [error(each) for each in results.wait_for(1).values()] == ["timeout"]
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()
    pool.run([claim("thread-nap", seconds=0)])
    assert [each.error for each in results.wait_for(1).values()] == [None]


def test_repeated_crashes_lose_and_double_no_outcome(pool: Pool, results: Results) -> None:
    pool.durations.means_ms["die"] = pool.durations.means_ms["noop"] = 0.01
    wanted: dict[str, str] = {}
    for _ in range(20):
        mixed = [claim("die" if n % 7 == 3 else "noop") for n in range(20)]
        wanted |= {each.id: each.type for each in mixed}
        with pool.free_slots.changed:
            assert pool.free_slots.changed.wait_for(lambda: pool.free_slots.count, PATIENCE_S)
        pool.run(mixed)
    outcomes: dict[str, Outcome] = {}
    while len(outcomes) + results.handed_back.qsize() < len(wanted):
        outcomes |= results.wait_for(1)
    back = {each.id for each in results.wait_for_unused(results.handed_back.qsize())}
    assert not back & set(outcomes)
    assert all((wanted[each.id] == "die") == (each.error is not None) for each in outcomes.values())
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()


def test_withdrawn_tasks_do_not_begin_again_when_the_slow_one_is_killed(pool: Pool, results: Results) -> None:
    pool.durations.means_ms["nap"] = 0.01
    slow, others = claim("nap", timeout_s=0.6, seconds=60), [claim("nap", seconds=0.01) for _ in range(6)]
    pool.run([slow, *others])
    outcomes = results.wait_for(7)
    assert error(outcomes[slow.id]) == "timeout"
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()

"""Running: claims are spread over slots and run, withdrawn or handed back, without harm to others."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tests.integration.pool.results import PATIENCE_S, Results, claim
from tests.patience import patience

if TYPE_CHECKING:
    import pytest

    from workers.pool.pool import Pool


def test_each_claim_has_one_outcome_of_its_own(pool: Pool, results: Results) -> None:
    claims = [claim("noop", n=n) for n in range(300)]
    pool.run(claims)
    outcomes = results.wait_for(300)
    assert {each.id: each.token for each in claims} == {each.id: each.token for each in outcomes.values()}
    assert all(outcomes[each.id].result == each.payload for each in claims)
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert results.nothing_more()


def test_children_are_kept_and_used_again(pool: Pool, results: Results) -> None:
    pids = set()
    for _ in range(5):
        pool.run([claim("whoami")])
        pids |= {msgspec.json.decode(each.result or "")["pid"] for each in results.wait_for(1).values()}
        assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_tasks_of_a_type_that_never_ran_are_spread_over_all_slots(pool: Pool, results: Results) -> None:
    began = time.monotonic()
    pool.run([claim("nap", seconds=1.5) for _ in range(4)])
    results.wait_for(4)
    assert time.monotonic() - began < patience(4 * 1.5)


def test_a_slow_task_does_not_delay_the_others_of_its_chunk(pool: Pool, results: Results) -> None:
    pool.durations.means_ms["nap"] = 0.01  # it was fast until now
    slow, others = claim("nap", timeout_s=60, seconds=4.5), [claim("nap", seconds=0) for _ in range(3)]
    began = time.monotonic()
    pool.run([slow, *others])
    first = results.wait_for(3)
    assert time.monotonic() - began < patience(4)
    assert set(first) == {each.id for each in others}
    assert set(results.wait_for(1)) == {slow.id}


def test_claims_without_a_slot_in_time_are_handed_back(pool: Pool, results: Results) -> None:
    pool.durations.means_ms["nap"] = 0.01
    busy = [claim("nap", seconds=2) for _ in range(3)]
    for each in busy:
        pool.run([each])
    chunk = [claim("nap", seconds=2) for _ in range(3)]
    pool.run(chunk)
    assert [each.id for each in results.wait_for_unused(2)] == [each.id for each in chunk[1:]]
    assert set(results.wait_for(4)) == {each.id for each in [*busy, chunk[0]]}


def test_only_tasks_that_have_not_begun_are_withdrawn(pool: Pool, results: Results) -> None:
    pool.durations.means_ms["nap"] = 0.01
    chunk = [claim("nap", seconds=0.3) for _ in range(20)]
    pool.run(chunk)
    pool.withdraw_all()
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    done, back = results.outcomes.qsize(), results.handed_back.qsize()
    assert done + back == 20
    assert done <= 2
    finished = results.wait_for(done)
    assert not set(finished) & {each.id for each in results.wait_for_unused(back)}


def test_a_child_that_died_idle_is_replaced(pool: Pool, results: Results) -> None:
    pool.run([claim("whoami")])
    (first,) = results.wait_for(1).values()
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    os.kill(msgspec.json.decode(first.result or "")["pid"], 9)
    for _ in range(3):
        pool.run([claim("whoami")])
    outcomes = results.wait_for(3)
    assert all(each.error is None for each in outcomes.values())


def test_thread_slots_run_beside_each_other_in_this_process(pool: Pool, results: Results) -> None:
    began = time.monotonic()
    pool.run([claim("thread-nap", seconds=1.0) for _ in range(4)])
    outcomes = results.wait_for(4)
    assert time.monotonic() - began < patience(4 * 1.0)
    assert all(each.result == '"slot"' for each in outcomes.values())


def test_a_payload_reaches_the_child_unchanged(pool: Pool, results: Results) -> None:
    odd = replace(claim("noop"), payload='{"é": "\\u0000 \\ud83d\\ude00"}')
    pool.run([odd])
    (outcome,) = results.wait_for(1).values()
    assert msgspec.json.decode(outcome.result or "") == msgspec.json.decode(odd.payload)


def test_a_chunk_larger_than_a_pipe_arrives_whole(pool: Pool, results: Results) -> None:
    pool.durations.means_ms["noop"] = 0.01
    chunk = [claim("noop", text="x" * 60_000, n=n) for n in range(100)]
    pool.run(chunk)
    outcomes = results.wait_for(100)
    assert all(outcomes[each.id].result == each.payload for each in chunk)


def test_a_stopped_child_delays_only_its_own_chunk(
    pool: Pool, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.pool.supervisor.BETWEEN_TASKS_LIMIT_S", 6)
    pool.durations.means_ms["noop"] = 0.01
    pool.run([claim("whoami")])
    (first,) = results.wait_for(1).values()
    assert pool.free_slots.wait_until_all_free(PATIENCE_S)
    os.kill(msgspec.json.decode(first.result or "")["pid"], signal.SIGSTOP)
    large = [claim("noop", text="x" * 60_000) for _ in range(10)]
    pool.run(large)
    began = time.monotonic()
    pool.run([claim("whoami")])
    results.wait_for(1)
    assert time.monotonic() - began < patience(5)
    results.wait_for(10)


def test_claims_without_a_free_slot_are_handed_back(pool: Pool, results: Results) -> None:
    pool.run([claim("nap", seconds=1) for _ in range(4)])
    late = claim("noop")
    pool.run([late])
    assert [each.id for each in results.wait_for_unused(1)] == [late.id]
    results.wait_for(4)


def test_claims_after_a_withdrawal_do_not_begin(pool: Pool, results: Results) -> None:
    pool.withdraw_all()
    late = claim("noop")
    pool.run([late])
    assert [each.id for each in results.wait_for_unused(1)] == [late.id]

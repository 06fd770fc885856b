"""Slots: handlers run, are killed on time, and cost their neighbours nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest
from msgspec.structs import replace

from app.task import Claim, Outcome
from tests.acceptance.conditions import wait_until
from workers.slots.permit import now as permit_clock
from workers.slots.slot import ProcessSlot, prepare_children
from workers.slots.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.config import Settings
    from app.task_types import TaskTypes

PATIENCE_S = 20.0


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.handed_back: SimpleQueue[Claim] = SimpleQueue()

    def ended(self, outcomes: Sequence[Outcome]) -> None:
        for each in outcomes:
            self.outcomes.put(each)

    def unused(self, claims: Sequence[Claim]) -> None:
        for each in claims:
            self.handed_back.put(each)

    def wait_for(self, count: int) -> dict[str, Outcome]:
        heard = [self.outcomes.get(timeout=PATIENCE_S) for _ in range(count)]
        return {each.id: each for each in heard}

    def wait_for_unused(self, count: int) -> list[Claim]:
        return [self.handed_back.get(timeout=PATIENCE_S) for _ in range(count)]

    def nothing_more(self) -> bool:
        for queue in (self.outcomes, self.handed_back):
            try:
                queue.get_nowait()
            except Empty:
                continue
            return False
        return True


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def slots(types: TaskTypes, settings: Settings, heard: Heard) -> Iterator[Slots]:
    prepare_children(settings.modules)
    os.environ["TASK_MODULES"] = settings.task_modules
    slots = Slots(types, count=4, listener=heard)
    yield slots
    slots.kill_all(("worker_lost", "the test is over"))
    slots.close()


def claim(task_type: str, timeout_s: float = 5.0, **payload: Any) -> Claim:
    now = datetime.now(UTC)
    return Claim(
        str(uuid4()), task_type, msgspec.json.encode(payload), 1, 1, timeout_s, now, str(uuid4()), permit_clock()
    )


def error(outcome: Outcome) -> str:
    assert outcome.error
    return outcome.error["type"]


def test_each_claim_has_one_outcome_of_its_own(slots: Slots, heard: Heard) -> None:
    claims = [claim("noop", n=n) for n in range(300)]
    slots.run(claims)
    outcomes = heard.wait_for(300)
    assert {each.id: each.token for each in claims} == {each.id: each.token for each in outcomes.values()}
    assert all(outcomes[each.id].result == each.payload.decode() for each in claims)
    assert slots.room.wait_until_all_free(PATIENCE_S)
    assert heard.nothing_more()


def test_children_are_kept_and_used_again(slots: Slots, heard: Heard) -> None:
    pids = set()
    for _ in range(5):
        slots.run([claim("whoami")])
        pids |= {msgspec.json.decode(each.result or "")["pid"] for each in heard.wait_for(1).values()}
        assert slots.room.wait_until_all_free(PATIENCE_S)
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_tasks_of_a_type_that_never_ran_are_spread_over_all_slots(slots: Slots, heard: Heard) -> None:
    began = time.monotonic()
    slots.run([claim("nap", seconds=0.5) for _ in range(4)])
    heard.wait_for(4)
    assert time.monotonic() - began < 4 * 0.5


@pytest.mark.parametrize("task_type", ["oversleep", "stubborn", "spin"])
def test_whatever_it_does_it_is_killed_at_its_timeout(slots: Slots, heard: Heard, task_type: str) -> None:
    long, short = claim(task_type, timeout_s=0.5), [claim("noop") for _ in range(50)]
    slots.run([long])
    slots.run(short)
    outcomes = heard.wait_for(51)
    assert error(outcomes[long.id]) == "timeout"
    assert all(outcomes[each.id].error is None for each in short)


def test_a_child_that_stands_still_between_two_tasks_loses_the_rest_and_is_killed(
    slots: Slots, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.slots.slots.START_LIMIT_S", 3.0)
    slots.run([claim("halt") for _ in range(100)])  # they are known as short: ten go to one child
    heard.wait_for(100)
    assert slots.room.wait_until_all_free(PATIENCE_S)
    claims = [claim("halt", now=True), *(claim("halt") for _ in range(9))]
    slots.run(claims)
    assert {each.error for each in heard.wait_for(10).values()} == {None}
    assert slots.room.wait_until_all_free(PATIENCE_S)
    assert heard.nothing_more()


def test_threads_that_are_cut_short_in_mid_stream_say_each_outcome_once(slots: Slots, heard: Heard) -> None:
    for _ in range(20):
        claims = [claim("thread-noop") for _ in range(400)]
        slots.run(claims)
        slots.kill_all(("worker_lost", "a fence"))
        assert slots.room.wait_until_all_free(PATIENCE_S)
        told = [heard.outcomes.get_nowait().id for _ in range(heard.outcomes.qsize())]
        told += [heard.handed_back.get_nowait().id for _ in range(heard.handed_back.qsize())]
        assert sorted(told) == sorted(each.id for each in claims)


def test_what_it_started_is_killed_with_it(slots: Slots, heard: Heard, tmp_path: Path) -> None:
    slots.run([claim("parent", timeout_s=0.7, file=str(tmp_path / "pid"))])
    heard.wait_for(1)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + PATIENCE_S
    while _runs(pid):
        assert time.monotonic() < deadline


def test_a_handler_that_takes_its_process_down_costs_only_its_own_task(slots: Slots, heard: Heard) -> None:
    slots.pace.means_ms["die"] = slots.pace.means_ms["noop"] = 0.01  # so that they share a chunk
    fatal, mates = claim("die"), [claim("noop") for _ in range(100)]
    slots.run([*mates[:50], fatal, *mates[50:]])
    outcomes = heard.wait_for(101)
    assert error(outcomes[fatal.id]) == "crashed"
    assert "SIGKILL" in (outcomes[fatal.id].error or {})["message"]
    assert all(outcomes[each.id].error is None for each in mates)


def test_a_slow_task_does_not_hold_its_chunk_mates(slots: Slots, heard: Heard) -> None:
    slots.pace.means_ms["nap"] = 0.01  # it was fast until now
    slow, mates = claim("nap", seconds=3), [claim("nap", seconds=0) for _ in range(3)]
    began = time.monotonic()
    slots.run([slow, *mates])
    first = heard.wait_for(3)
    assert time.monotonic() - began < 2
    assert set(first) == {each.id for each in mates}
    assert set(heard.wait_for(1)) == {slow.id}


def test_what_finds_no_slot_in_time_is_handed_back(slots: Slots, heard: Heard) -> None:
    slots.pace.means_ms["nap"] = 0.01
    busy = [claim("nap", seconds=2) for _ in range(3)]
    for each in busy:
        slots.run([each])
    chunk = [claim("nap", seconds=2) for _ in range(3)]
    slots.run(chunk)
    assert [each.id for each in heard.wait_for_unused(2)] == [each.id for each in chunk[1:]]
    assert set(heard.wait_for(4)) == {each.id for each in [*busy, chunk[0]]}


def test_withdrawn_is_what_had_not_begun_and_nothing_else(slots: Slots, heard: Heard) -> None:
    slots.pace.means_ms["nap"] = 0.01
    chunk = [claim("nap", seconds=0.3) for _ in range(20)]
    slots.run(chunk)
    slots.withdraw_all()
    assert slots.room.wait_until_all_free(PATIENCE_S)
    done, back = heard.outcomes.qsize(), heard.handed_back.qsize()
    assert done + back == 20
    assert done <= 2
    finished = heard.wait_for(done)
    assert not set(finished) & {each.id for each in heard.wait_for_unused(back)}


def test_killing_all_gives_each_its_outcome(slots: Slots, heard: Heard) -> None:
    slots.run([claim("nap", seconds=60) for _ in range(4)])
    slots.run([])
    assert slots.room.free == 0
    slots.kill_all(("worker_lost", "stopped"))
    outcomes, back = heard.outcomes.qsize(), heard.handed_back.qsize()
    assert outcomes + back == 4
    assert {error(each) for each in heard.wait_for(outcomes).values()} <= {"worker_lost"}
    assert slots.room.wait_until_all_free(PATIENCE_S)


def test_a_child_that_died_idle_is_replaced(slots: Slots, heard: Heard) -> None:
    slots.run([claim("whoami")])
    (first,) = heard.wait_for(1).values()
    assert slots.room.wait_until_all_free(PATIENCE_S)
    os.kill(msgspec.json.decode(first.result or "")["pid"], 9)
    for _ in range(3):
        slots.run([claim("whoami")])
    outcomes = heard.wait_for(3)
    assert all(each.error is None for each in outcomes.values())


def test_thread_slots_run_beside_each_other_in_this_process(slots: Slots, heard: Heard) -> None:
    began = time.monotonic()
    slots.run([claim("thread-nap", seconds=0.4) for _ in range(4)])
    outcomes = heard.wait_for(4)
    assert time.monotonic() - began < 4 * 0.4
    assert all(each.result == '"slot"' for each in outcomes.values())


def test_a_thread_over_its_time_is_failed_and_its_slot_is_free_once_it_comes_back(slots: Slots, heard: Heard) -> None:
    slots.run([claim("thread-nap", timeout_s=0.2, seconds=1)])
    assert [error(each) for each in heard.wait_for(1).values()] == ["timeout"]
    assert slots.room.wait_until_all_free(PATIENCE_S)
    assert heard.nothing_more()
    slots.run([claim("thread-nap", seconds=0)])
    assert [each.error for each in heard.wait_for(1).values()] == [None]


def test_killed_again_and_again_no_outcome_is_lost_or_doubled(slots: Slots, heard: Heard) -> None:
    slots.pace.means_ms["die"] = slots.pace.means_ms["noop"] = 0.01
    wanted: dict[str, str] = {}
    for _ in range(20):
        mixed = [claim("die" if n % 7 == 3 else "noop") for n in range(20)]
        wanted |= {each.id: each.type for each in mixed}
        with slots.room.changed:
            assert slots.room.changed.wait_for(lambda: slots.room.free, PATIENCE_S)
        slots.run(mixed)
    outcomes: dict[str, Outcome] = {}
    while len(outcomes) + heard.handed_back.qsize() < len(wanted):
        outcomes |= heard.wait_for(1)
    back = {each.id for each in heard.wait_for_unused(heard.handed_back.qsize())}
    assert not back & set(outcomes)
    assert all((wanted[each.id] == "die") == (each.error is not None) for each in outcomes.values())
    assert slots.room.wait_until_all_free(PATIENCE_S)
    assert heard.nothing_more()


def test_a_claim_is_what_travels(slots: Slots, heard: Heard) -> None:
    odd = replace(claim("noop"), payload='{"é": "\\u0000 \\ud83d\\ude00"}'.encode())
    slots.run([odd])
    (outcome,) = heard.wait_for(1).values()
    assert msgspec.json.decode(outcome.result or "") == msgspec.json.decode(odd.payload)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_a_chunk_larger_than_a_pipe_arrives_whole(slots: Slots, heard: Heard) -> None:
    slots.pace.means_ms["noop"] = 0.01
    chunk = [claim("noop", text="x" * 60_000, n=n) for n in range(100)]
    slots.run(chunk)
    outcomes = heard.wait_for(100)
    assert all(outcomes[each.id].result == each.payload.decode() for each in chunk)


def test_a_stopped_child_holds_up_its_own_chunk_only(
    slots: Slots, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.slots.slots.START_LIMIT_S", 2)
    slots.pace.means_ms["noop"] = 0.01
    slots.run([claim("whoami")])
    (first,) = heard.wait_for(1).values()
    assert slots.room.wait_until_all_free(PATIENCE_S)
    os.kill(msgspec.json.decode(first.result or "")["pid"], signal.SIGSTOP)
    large = [claim("noop", text="x" * 60_000) for _ in range(10)]
    slots.run(large)
    began = time.monotonic()
    slots.run([claim("whoami")])
    heard.wait_for(1)
    assert time.monotonic() - began < 1.5
    heard.wait_for(10)


def test_a_slot_that_cannot_be_started_gives_its_chunk_back_and_then_its_room(
    slots: Slots, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.slots.slots.AFTER_A_FAILED_START_S", 0.3)

    def no_memory(*_: object) -> None:
        raise OSError("cannot allocate memory")

    monkeypatch.setattr(ProcessSlot, "_start", no_memory)
    chunk = [claim("noop") for _ in range(4)]
    slots.run(chunk)
    assert {each.id for each in heard.wait_for_unused(4)} == {each.id for each in chunk}
    assert slots.room.wait_until_all_free(PATIENCE_S)


def test_without_room_claims_are_handed_back(slots: Slots, heard: Heard) -> None:
    slots.run([claim("nap", seconds=1) for _ in range(4)])
    late = claim("noop")
    slots.run([late])
    assert [each.id for each in heard.wait_for_unused(1)] == [late.id]
    heard.wait_for(4)


def test_children_end_themselves_when_the_lease_of_a_frozen_worker_is_over(
    slots: Slots, heard: Heard, tmp_path: Path
) -> None:
    file = tmp_path / "witness"
    task = claim("witness", file=str(file), seconds=60, timeout_s=60)
    slots.run([task])
    wait_until(file.exists, PATIENCE_S, "it runs")
    slots.permit.renew(permit_clock())
    assert error(heard.wait_for(1)[task.id]) == "crashed"


def test_a_child_that_was_frozen_until_the_lease_was_over_ends_before_it_goes_on(
    slots: Slots, heard: Heard, tmp_path: Path
) -> None:
    file = tmp_path / "witness"
    task = claim("witness", file=str(file), seconds=1, timeout_s=60)
    slots.run([task])
    wait_until(file.exists, PATIENCE_S, "it runs")
    (child,) = [each.process.pid for each in slots._busy if isinstance(each, ProcessSlot)]
    assert child
    os.kill(child, signal.SIGSTOP)
    slots.permit.renew(permit_clock())
    sleep_past = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > sleep_past, PATIENCE_S, "its sleep would be over")
    os.kill(child, signal.SIGCONT)
    assert error(heard.wait_for(1)[task.id]) == "crashed"
    assert "ended" not in file.read_text()


@pytest.mark.parametrize(("task_type", "payload"), [("noop", {}), ("thread-nap", {"seconds": 0.01})])
def test_what_was_claimed_before_the_worker_fell_silent_does_not_begin(
    slots: Slots, heard: Heard, task_type: str, payload: dict[str, Any]
) -> None:
    """It may be another's by now: a worker that was frozen between its claim and the hand-over must not begin it."""
    old = [claim(task_type, **payload) for _ in range(3)]
    slots.fence(("worker_lost", "silent"))
    slots.run(old)
    assert {each.id for each in heard.wait_for_unused(3)} == {each.id for each in old}
    new = claim(task_type, **payload)
    slots.run([new])
    assert heard.wait_for(1).keys() == {new.id}


def test_a_watch_that_stands_still_is_noticed(slots: Slots) -> None:
    assert slots.are_watched(PATIENCE_S)
    hangs = threading.Event()
    slots._ask(lambda: hangs.wait(PATIENCE_S))  # as a fork server that was frozen makes it
    assert not slots.are_watched(0.1)
    hangs.set()
    assert slots.are_watched(PATIENCE_S)


def test_what_comes_after_the_withdrawal_is_not_begun(slots: Slots, heard: Heard) -> None:
    slots.withdraw_all()
    late = claim("noop")
    slots.run([late])
    assert [each.id for each in heard.wait_for_unused(1)] == [late.id]


def test_mates_that_were_withdrawn_are_not_begun_again_when_the_slow_one_is_killed(slots: Slots, heard: Heard) -> None:
    slots.pace.means_ms["nap"] = 0.01
    slow, mates = claim("nap", timeout_s=0.6, seconds=60), [claim("nap", seconds=0.01) for _ in range(6)]
    slots.run([slow, *mates])
    outcomes = heard.wait_for(7)
    assert error(outcomes[slow.id]) == "timeout"
    assert slots.room.wait_until_all_free(PATIENCE_S)
    assert heard.nothing_more()

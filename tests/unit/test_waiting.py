"""Long polls: one look serves all requests, in their order. The test makes the steps and sets the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import pytest

from app.api.waiting import MAX_INTERVAL_S, Condition, Found, TaskFinal, TasksDue, Waiter, Waiters
from app.errors import TooManyWaiting

WAIT_S = 20.0


class Line:
    """The waiting requests of one process. A look finds what the test sets."""

    def __init__(self, *, max_waiting: int = 1000) -> None:
        self.now = 100.0
        self.due: dict[str, int] = {}
        self.final: set[UUID] = set()
        self.next_due_s: float | None = None
        self.looks: list[Sequence[Condition]] = []
        self.called: list[Waiter] = []
        self.turns: list[asyncio.Future[None]] = []
        self.waiters = Waiters(self._look, max_waiting=max_waiting, clock=lambda: self.now)
        self.waiters._run = lambda: None  # type: ignore[method-assign]  # the test makes the steps

    def _look(self, conditions: Sequence[Condition]) -> Found:
        self.looks.append(conditions)
        return Found(dict(self.due), set(self.final), self.next_due_s)

    def join(self, *types: str, limit: int = 1, within_s: float = WAIT_S) -> Waiter:
        return self.join_for(TasksDue(types or ("x",), limit), within_s=within_s)

    def join_for(self, condition: Condition, *, within_s: float = WAIT_S) -> Waiter:
        joined = self.waiters.join(condition, within_s=within_s)
        assert joined
        return joined

    async def wait(self, *waiting: Waiter) -> None:
        """Let these requests wait for their turn in the background."""
        for each in waiting:
            self.turns.append(asyncio.ensure_future(self._turn(each)))
        await asyncio.sleep(0)

    async def _turn(self, waiter: Waiter) -> None:
        await self.waiters.turn(waiter, asyncio.get_running_loop().create_future())
        self.called.append(waiter)

    async def look(self, **due: int) -> list[Waiter]:
        """Look once; return the requests that were called."""
        self.due, self.called = due, []
        self.waiters.step()
        for _ in range(5):
            await asyncio.sleep(0)
        return self.called


def of_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run an asynchronous test."""

    def run() -> None:
        asyncio.run(test())  # type: ignore[arg-type]

    run.__name__ = test.__name__
    return run


@of_a_loop
async def test_requests_for_a_type_are_called_in_the_order_in_which_they_came() -> None:
    line = Line()
    first, second, third = (line.join() for _ in range(3))
    await line.wait(third, first, second)
    assert await line.look() == []
    assert await line.look(x=2) == [first, second]


@of_a_loop
async def test_one_look_is_enough_for_all() -> None:
    line = Line()
    task = uuid4()
    waiting = [line.join("x") for _ in range(300)] + [line.join("y"), line.join_for(TaskFinal(task))]
    await line.wait(*waiting)
    line.final = {task}
    assert await line.look(y=1) == waiting[300:]
    assert len(line.looks) == 1


@of_a_loop
async def test_a_request_takes_as_many_tasks_as_its_limit() -> None:
    line = Line()
    many, one, late = line.join(limit=10), line.join(), line.join()
    await line.wait(many, one, late)
    assert await line.look(x=11) == [many, one]


@of_a_loop
async def test_a_request_for_several_types_is_called_for_any_of_them() -> None:
    line = Line()
    both, x, y = line.join("x", "y"), line.join("x"), line.join("y")
    await line.wait(both, x, y)
    assert await line.look(y=1) == [both]
    assert await line.look(x=1, y=1) == [y], "the one that is being answered takes its share first"
    await line.wait(both)
    assert await line.look(x=1, y=2) == [both]


@of_a_loop
async def test_a_request_that_found_nothing_keeps_its_place() -> None:
    line = Line()
    first, second = line.join(), line.join()
    await line.wait(first, second)
    assert await line.look(x=1) == [first]
    await line.wait(first)  # another process was faster
    assert await line.look(x=1) == [first]
    line.waiters.leave(first)
    assert await line.look(x=1) == [second]


@of_a_loop
async def test_a_client_that_polls_in_a_loop_comes_after_those_that_wait() -> None:
    line = Line()
    patient = line.join()
    await line.wait(patient)
    assert line.waiters.are_before(TasksDue(("x", "z"), 1))
    assert not line.waiters.are_before(TasksDue(("z",), 1))
    for _ in range(3):
        hasty = line.join(within_s=0)
        await line.wait(hasty)
        assert await line.look() == [hasty], "it is answered after one look"
        assert (hasty.is_over, hasty.has_nothing) == (True, True)
        line.waiters.leave(hasty)
    hasty = line.join(within_s=0)
    await line.wait(hasty)
    assert await line.look(x=1) == [patient, hasty]
    assert (patient.is_over, hasty.has_nothing) == (False, True)


@of_a_loop
async def test_a_wait_is_over_at_its_deadline_even_if_nothing_can_be_looked_up() -> None:
    line = Line()
    short = line.join(within_s=0.01)
    await line.waiters.turn(short, asyncio.get_running_loop().create_future())
    assert (short.is_over, short.has_nothing) == (True, False)


@of_a_loop
async def test_a_wait_ends_when_the_client_leaves() -> None:
    line = Line()
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gone.set_result(None)
    left = line.join()
    await line.waiters.turn(left, gone)
    assert not left.is_over
    line.waiters.leave(left)
    assert await line.look(x=1) == []
    assert line.looks == []


@of_a_loop
async def test_when_the_process_stops_all_waits_are_over() -> None:
    line = Line()
    waiting = [line.join() for _ in range(3)]
    await line.wait(*waiting[:2])
    line.waiters.close()
    await line.wait(waiting[2])
    for _ in range(5):
        await asyncio.sleep(0)
    assert set(line.called) == set(waiting)
    assert all(each.is_over for each in waiting)
    assert line.waiters.join(TasksDue(("x",), 1), within_s=WAIT_S) is None


def test_when_too_many_wait_the_next_one_is_refused() -> None:
    line = Line(max_waiting=2)
    first, _ = line.join(), line.join()
    with pytest.raises(TooManyWaiting):
        line.join()
    line.waiters.leave(first)
    line.join()


def test_looks_become_rarer_and_come_at_the_instant_when_a_task_is_due() -> None:
    line = Line()
    line.join()
    pauses = []
    for age in (0.0, 0.1, 0.2, 10.0):
        line.now = 100.0 + age
        pauses.append(line.waiters._pause_s())
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_INTERVAL_S
    line.next_due_s = 0.003
    line.waiters.step()
    assert line.waiters._pause_s() == 0.003

"""The checker: a history that keeps every promise passes; one that breaks a promise fails the check of that promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.checker import check
from tests.faults.histories import BROKEN, DUE, PLAN, WORKER, add_lost, claimed, in_order, lose
from tests.faults.history import Answer, Change, History, Row, Struck


def test_a_history_that_keeps_every_promise_passes_every_check() -> None:
    assert [each for each in check(in_order(), PLAN) if each.broken] == []


@pytest.mark.parametrize(("name", "breaks"), BROKEN, ids=lambda each: getattr(each, "__name__", ""))
def test_a_broken_promise_is_detected(name: str, breaks: Callable[[History], None]) -> None:
    history = in_order()
    breaks(history)
    assert name in [each.name for each in check(history, PLAN) if each.broken]


def test_every_check_has_a_history_that_breaks_it() -> None:
    assert {name for name, _ in BROKEN} == {each.name for each in check(in_order(), PLAN)}


@pytest.mark.parametrize(
    "fault",
    [
        Struck("kill worker", "worker", DUE + 3, DUE + 3, "kill", (77,)),
        Struck("suspend worker", "worker", DUE + 1, DUE + 11, "outage", (77,)),
        Struck("freeze Postgres", "postgres", DUE, DUE + 7, "outage"),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_failure_caused_by_a_fault_breaks_no_promise(fault: Struck) -> None:
    history = in_order()
    add_lost(history)
    history.faults.append(fault)
    assert [each for each in check(history, PLAN) if each.broken] == []


def test_an_outside_worker_without_a_result_breaks_no_promise() -> None:
    history = in_order()
    history.tasks["out"] = Row("out", "outside", "failed", DUE, 1, 1, 9, "worker_lost")
    history.changes += lose("out", DUE + 1)
    history.answers.append(Answer("complete", DUE + 3.1, DUE + 3.2, 409, "out", 1, DUE + 3))
    assert [each for each in check(history, PLAN) if each.broken] == []


def test_a_claim_after_a_hand_back_is_no_second_start() -> None:
    history = in_order()
    handed_back = Change(DUE + 0.005, "ran", "running", "scheduled", 1, 0, DUE, WORKER)
    history.changes[1:1] = [claimed("ran", DUE + 0.001), handed_back]
    assert [each for each in check(history, PLAN) if each.broken] == []


def test_a_history_without_a_final_instant_is_not_drained() -> None:
    history = in_order()
    history.final_at = None
    assert "drained in time" in [each.name for each in check(history, PLAN) if each.broken]

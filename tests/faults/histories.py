"""Histories for the tests of the checker: one in which every promise is kept, and ways to break each promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.acceptance.witness import Sight
from tests.faults.history import Answer, Change, History, Row, Struck
from tests.faults.plan import Plan

DUE = 1000.0
WORKER = "host.77.abc"
PLAN = Plan(seed=1, calm_p99_ms=500)


def in_order() -> History:
    """Return a history of a task that succeeded, one that was deleted, and one that succeeded on its second attempt."""
    ran = Row("ran", "brief", "succeeded", DUE, 1, 1, 1)
    gone = Row("gone", "brief", "deleted", DUE, 0, 1, 2)
    again = Row("again", "stumble", "succeeded", DUE, 2, 2, 3)
    return History(
        tasks={each.id: each for each in (ran, gone, again)},
        changes=[
            *created("ran"),
            claimed("ran", DUE + 0.01),
            step("ran", DUE + 0.2, "running", "succeeded"),
            *created("gone"),
            Change(DUE - 1, "gone", "scheduled", "deleted", due=DUE),
            *created("again"),
            claimed("again", DUE + 0.01),
            step("again", DUE + 0.2, "running", "scheduled", error="handler_error"),
            claimed("again", DUE + 1.3, attempt=2, due=DUE + 1.2),
            step("again", DUE + 1.5, "running", "succeeded", attempt=2),
        ],
        sights=[
            began("ran", DUE + 0.02), ended("ran", DUE + 0.1),
            began("again", DUE + 0.02), began("again", DUE + 1.31, attempt=2), ended("again", DUE + 1.4, attempt=2),
        ],
        answers=[
            *(Answer("create", DUE - 5, DUE - 4, 201, each) for each in ("ran", "gone", "again")),
            Answer("create", DUE - 5, DUE - 4, None),
            Answer("delete", DUE - 1.1, DUE - 0.9, 200, "gone"),
        ],
        healed_at=DUE,
        final_at=DUE + 2,
        calm=((DUE - 1, DUE + 1),),
    )  # fmt: skip


def created(task_id: str) -> list[Change]:
    return [Change(DUE - 4.5, task_id, None, "scheduled")]


def claimed(task_id: str, at: float, *, attempt: int = 1, due: float = DUE) -> Change:
    return Change(at, task_id, "scheduled", "running", attempt - 1, attempt, due, WORKER)


def step(task_id: str, at: float, old: str, new: str, *, attempt: int = 1, error: str | None = None) -> Change:
    return Change(at, task_id, old, new, attempt, attempt, DUE, WORKER, error)


def began(task_id: str, at: float, *, attempt: int = 1) -> Sight:
    return Sight("began", task_id, attempt, at, 99)


def ended(task_id: str, at: float, *, attempt: int = 1) -> Sight:
    return Sight("ended", task_id, attempt, at, 99)


def becomes(history: History, task_id: str, **fields: object) -> None:
    history.tasks[task_id] = replace(history.tasks[task_id], **fields)  # type: ignore[arg-type]


def lose(task_id: str, at: float) -> list[Change]:
    """Return the changes of a task whose worker was lost."""
    return [*created(task_id), claimed(task_id, at), step(task_id, at + 9, "running", "failed", error="worker_lost")]


def add_lost(history: History) -> None:
    history.tasks["lost"] = Row("lost", "brief", "failed", DUE, 1, 1, 9, "worker_lost")
    history.changes += lose("lost", DUE + 1)


# Each function breaks one promise of a history; BROKEN names the check that must fail.


def a_task_is_lost(history: History) -> None:
    del history.tasks["ran"]


def a_task_never_ends(history: History) -> None:
    becomes(history, "ran", state="running")


def a_task_without_an_answer_never_ends(history: History) -> None:
    history.tasks["unanswered"] = Row("unanswered", "brief", "scheduled", DUE, 0, 1, 8)
    history.changes += created("unanswered")


def a_request_makes_two_tasks(history: History) -> None:
    becomes(history, "again", serial=1)


def an_attempt_begins_twice(history: History) -> None:
    history.sights.append(began("ran", DUE + 0.05))


def an_attempt_too_many(history: History) -> None:
    becomes(history, "again", max_attempts=1)


def unclaimed(history: History) -> None:
    history.sights += [began("ran", DUE + 0.15, attempt=0)]


def unknown(history: History) -> None:
    history.sights.append(began("unknown", DUE + 1))


def early_by_a_microsecond(history: History) -> None:
    history.sights[0] = began("ran", DUE - 0.000001)


def claimed_early(history: History) -> None:
    history.changes[1] = claimed("ran", DUE - 0.000001)


def second_attempt_before_its_back_off_is_over(history: History) -> None:
    history.sights[3] = began("again", DUE + 1.19, attempt=2)


def deleted_and_ran(history: History) -> None:
    history.changes += [claimed("gone", DUE)]
    history.sights.append(began("gone", DUE + 0.1))


def deleted_and_not_gone(history: History) -> None:
    history.answers.append(Answer("delete", DUE, DUE, 200, "ran"))


def succeeded_and_never_began(history: History) -> None:
    del history.sights[:2]


def succeeded_and_never_ended(history: History) -> None:
    del history.sights[1]


def failed_without_an_error_type(history: History) -> None:
    add_lost(history)
    history.faults.append(Struck("kill worker", "worker", DUE, DUE, "kill", (77,)))
    becomes(history, "lost", error=None)


def an_accepted_result_is_missing(history: History) -> None:
    history.answers.append(Answer("complete", DUE, DUE, 200, "gone", until=DUE + 5))


def a_final_state_is_left(history: History) -> None:
    history.changes += [step("ran", DUE + 3, "succeeded", "scheduled"), step("ran", DUE + 4, "scheduled", "succeeded")]


def deleted_while_running(history: History) -> None:
    history.tasks["odd"] = Row("odd", "brief", "deleted", DUE, 1, 1, 7)
    history.changes += [*created("odd"), claimed("odd", DUE + 1), step("odd", DUE + 2, "running", "deleted")]


def an_attempt_is_skipped(history: History) -> None:
    history.tasks["odd"] = Row("odd", "brief", "running", DUE, 2, 2, 7)
    history.changes += [*created("odd"), Change(DUE + 1, "odd", "scheduled", "running", 0, 2, DUE, WORKER),
                        Change(DUE + 2, "odd", "running", "succeeded", 2, 2, DUE, WORKER)]  # fmt: skip
    history.sights += [began("odd", DUE + 1.1, attempt=2), ended("odd", DUE + 1.2, attempt=2)]
    becomes(history, "odd", state="succeeded")


def a_change_is_missing_in_the_trail(history: History) -> None:
    del history.changes[2]


def a_frozen_worker_continues(history: History) -> None:
    add_lost(history)
    history.faults.append(Struck("suspend worker", "worker", DUE, DUE + 11, "outage", (77,)))
    history.sights.append(began("lost", DUE + 10.5))


def a_late_hand_in_is_accepted(history: History) -> None:
    add_lost(history)  # at DUE + 10
    history.answers.append(Answer("complete", DUE + 10.001, DUE + 10.1, 200, "lost", 1, DUE + 9))


def lost_without_a_cause(history: History) -> None:
    add_lost(history)


def lost_to_another_worker_s_fault(history: History) -> None:
    add_lost(history)
    history.faults.append(Struck("kill worker", "worker", DUE, DUE, "kill", (78,)))


def lost_to_a_short_outage(history: History) -> None:
    add_lost(history)
    history.faults.append(Struck("freeze Postgres", "postgres", DUE + 1, DUE + 2, "outage"))


def an_outside_worker_is_refused_in_time(history: History) -> None:
    history.tasks["out"] = Row("out", "outside", "failed", DUE, 1, 1, 9, "worker_lost")
    history.changes += lose("out", DUE + 1)
    history.answers.append(Answer("complete", DUE + 1.1, DUE + 1.2, 409, "out", 1, DUE + 3))


def lost_to_a_deploy(history: History) -> None:
    add_lost(history)
    history.faults.append(Struck("deploy", "deploy", DUE + 1, DUE + 5))


def a_process_ends_by_itself(history: History) -> None:
    history.unexpected_ends.append("sweeper.1 ended unexpectedly with 1")


def slow_to_drain(history: History) -> None:
    history.final_at = history.healed_at + 30.5


def late_while_calm(history: History) -> None:
    history.calm = ((DUE - 1, DUE + 1),)
    history.sights = [replace(each, at=each.at + 0.6) for each in history.sights]
    history.changes = [replace(each, at=each.at + 0.6 * (each.old is not None)) for each in history.changes]


def delivered_twice_while_calm(history: History) -> None:
    history.claims_lost = 7  # one deletion and the first feed explain six


BROKEN: list[tuple[str, Callable[[History], None]]] = [
    ("kept", a_task_is_lost), ("kept", a_task_never_ends), ("kept", a_task_without_an_answer_never_ends),
    ("created once", a_request_makes_two_tasks),
    ("begun once", an_attempt_begins_twice), ("begun once", an_attempt_too_many), ("begun once", unclaimed),
    ("begun once", unknown),
    ("not early", early_by_a_microsecond), ("not early", claimed_early),
    ("not early", second_attempt_before_its_back_off_is_over),
    ("deleted never ran", deleted_and_ran), ("deleted never ran", deleted_and_not_gone),
    ("ledger agrees with witness", succeeded_and_never_began),
    ("ledger agrees with witness", succeeded_and_never_ended),
    ("ledger agrees with witness", failed_without_an_error_type),
    ("ledger agrees with witness", an_accepted_result_is_missing),
    ("only legal steps", a_final_state_is_left), ("only legal steps", deleted_while_running),
    ("only legal steps", an_attempt_is_skipped), ("only legal steps", a_change_is_missing_in_the_trail),
    ("not begun once given up", a_frozen_worker_continues),
    ("late hand-ins refused", a_late_hand_in_is_accepted),
    ("no failure without a cause", lost_without_a_cause),
    ("no failure without a cause", lost_to_another_worker_s_fault),
    ("no failure without a cause", an_outside_worker_is_refused_in_time),
    ("no failure without a cause", lost_to_a_short_outage), ("no failure without a cause", lost_to_a_deploy),
    ("no process ended by itself", a_process_ends_by_itself),
    ("drained in time", slow_to_drain),
    ("on time while calm", late_while_calm), ("delivered once while calm", delivered_twice_while_calm),
]  # fmt: skip

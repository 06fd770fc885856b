"""Check whether a history keeps every promise: a pure function without knowledge of the run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults import steps
from tests.faults.causes import Causes, Failure
from tests.faults.facts import Facts
from tests.faults.lateness import calm_lateness, percentile

if TYPE_CHECKING:
    from tests.faults.history import History
    from tests.faults.plan import Plan

FINAL = {"succeeded", "failed", "cancelled", "deleted"}
SHOWN = 5
REPEATED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Check:
    """A promise, and all cases in which it was broken."""

    name: str
    broken: list[str]


def check(history: History, plan: Plan) -> list[Check]:
    """Run all checks; each covers every task in Postgres, regardless of the answer to its client."""
    facts = Facts(history)
    checks = [Check(name, list(broken(facts))) for name, broken in SAFETY.items()]
    late = list(_late(history, plan.calm_p99_ms))
    return [
        *checks,
        Check("drained in time", list(_drained(history, plan.drained_within_s))),
        Check("on time while calm", late),
        Check("delivered once while calm", list(_delivered_once(history))),
    ]


def _kept(facts: Facts) -> Iterator[str]:
    tasks = facts.history.tasks
    for task_id in facts.created:
        if task_id not in tasks:
            yield f"{task_id} was answered with 201 and does not exist"
    for each in tasks.values():
        if each.state not in FINAL:
            yield f"{each.id} ({each.type}) is {each.state}"


def _created_once(facts: Facts) -> Iterator[str]:
    for serial, count in Counter(each.serial for each in facts.history.tasks.values()).items():
        if count > 1:
            yield f"request {serial} created {count} tasks"


def _once(facts: Facts) -> Iterator[str]:
    for (task_id, attempt), begun in facts.begun.items():
        if len(begun) > 1:
            yield f"attempt {attempt} of {task_id} started {len(begun)} times, in {[each.pid for each in begun]}"
        task = facts.history.tasks.get(task_id)
        if task is None:
            yield f"{task_id} started and does not exist"
        elif not 1 <= attempt <= task.max_attempts:
            yield f"{task_id} started attempt {attempt} of {task.max_attempts}"
    for task_id, attempt in facts.begun:
        if (task_id, attempt) not in facts.claims:
            yield f"attempt {attempt} of {task_id} started without a claim"


def _not_early(facts: Facts) -> Iterator[str]:
    for (task_id, attempt), begun in facts.begun.items():
        task, claims = facts.history.tasks.get(task_id), facts.claims.get((task_id, attempt))
        due = claims[-1].due if claims else task.execute_at if task else 0.0
        for each in begun:
            if each.at < due:
                yield f"attempt {attempt} of {task_id} started {(due - each.at) * 1000:.1f} ms early"
    for (task_id, attempt), claims in facts.claims.items():
        for claim in claims:
            if claim.at < claim.due:
                yield f"attempt {attempt} of {task_id} was claimed {(claim.due - claim.at) * 1000:.1f} ms early"


def _deleted_never_ran(facts: Facts) -> Iterator[str]:
    for each in facts.answers("delete", 200):
        task = facts.history.tasks.get(each.task_id or "")
        if each.task_id in facts.begun_tasks:
            yield f"{each.task_id} started, although its deletion was answered with 200"
        elif task is None or task.state != "deleted":
            yield f"{each.task_id} is {task and task.state}, although its deletion was answered with 200"
    for task in facts.history.tasks.values():
        if task.state == "deleted" and task.id in facts.begun_tasks:
            yield f"{task.id} is deleted, although it started"


def _agrees(facts: Facts) -> Iterator[str]:
    for task in facts.history.tasks.values():
        last = (task.id, task.attempt)
        if task.state == "succeeded" and (last not in facts.begun or last not in facts.ended):
            yield f"{task.id} ({task.type}) succeeded, but did not {'end' if last in facts.begun else 'start'}"
        if task.state == "failed" and not task.error:
            yield f"{task.id} failed without an error type"
        if task.state == "failed" and task.error not in {"worker_lost", "crashed"} and last not in facts.begun:
            yield f"{task.id} failed with {task.error}, but did not start"
    for each in facts.answers("complete", 200):
        task_state = facts.history.tasks[each.task_id].state if each.task_id in facts.history.tasks else "gone"
        if task_state != "succeeded":
            yield f"{each.task_id} is {task_state}, although its result was answered with 200"


def _not_after_its_end(facts: Facts) -> Iterator[str]:
    """Find handlers that start after the end of their attempt, as in a worker that was frozen and continues."""
    for (task_id, attempt), begun in facts.begun.items():
        ended_at = [each.at for each in facts.trails.get(task_id, ()) if steps.ends_attempt(each, attempt)]
        for each in begun:
            if ended_at and each.at > ended_at[0]:
                yield f"attempt {attempt} of {task_id} started {each.at - ended_at[0]:.3f} s after its end"


def _late_hand_ins(facts: Facts) -> Iterator[str]:
    for act in ("complete", "fail", "release"):
        for each in facts.answers(act, 200):
            lost_at = facts.lost_at.get((each.task_id or "", each.attempt), math.inf)
            if each.sent_at > lost_at:
                yield f"{act} of {each.task_id} was accepted {each.sent_at - lost_at:.3f} s after its claim was lost"


def _caused(facts: Facts) -> Iterator[str]:
    causes = Causes(facts.history)
    for task_id, trail in facts.trails.items():
        task = facts.history.tasks.get(task_id)
        claimed = None
        for each in trail:
            if each.new == "running":
                claimed = claimed if each.old == "running" else each
            elif task and claimed and each.old == "running" and each.error and each.attempt == each.old_attempt:
                failure = Failure(task.type, each.error, claimed, each)
                if causes.explain(failure) is None:
                    yield f"attempt {each.attempt} of {task_id} ({task.type}) ended with {each.error} on {each.worker}"


def _unexpected_ends(facts: Facts) -> Iterator[str]:
    yield from facts.history.unexpected_ends


def _drained(history: History, limit_s: float) -> Iterator[str]:
    if history.final_at is None:
        yield "some tasks did not become final"
    elif history.final_at - history.healed_at > limit_s:
        took_s = history.final_at - history.healed_at
        yield f"all tasks were final {took_s:.1f} s after the last fault; the limit is {limit_s:g} s"
        before = [each for each in history.changes if each.at < history.final_at]
        for each in sorted(before, key=lambda change: change.at)[-SHOWN:]:
            task = history.tasks[each.task_id]
            after_s = each.at - history.healed_at
            yield f"{task.id} ({task.type}) became {each.new} in attempt {each.attempt} after {after_s:.1f} s"


def _late(history: History, limit_ms: float) -> Iterator[str]:
    calm = calm_lateness(history)
    if calm and percentile(calm, 99) > limit_ms:
        yield f"p99 is {percentile(calm, 99):.0f} ms; the limit is {limit_ms:g} ms"


def _delivered_once(history: History) -> Iterator[str]:
    """Compare claims that won nothing with deletions, which may beat a delivery. The first feed may add a few more."""
    began_at = min((each.began_at for each in history.faults), default=math.inf)
    before = [each for each in history.answers if each.sent_at < began_at]
    created, deleted = (sum(1 for each in before if each.act == act) for act in ("create", "delete"))
    allowed = deleted + max(5, created * REPEATED_SHARE)
    if history.claims_lost > allowed:
        yield f"{history.claims_lost} claims of {created} tasks were in vain; there were only {deleted} deletions"


SAFETY: dict[str, Callable[[Facts], Iterator[str]]] = {
    "kept": _kept,
    "created once": _created_once,
    "begun once": _once,
    "not early": _not_early,
    "deleted never ran": _deleted_never_ran,
    "ledger agrees with witness": _agrees,
    "only legal steps": steps.illegal,
    "not begun once given up": _not_after_its_end,
    "late hand-ins refused": _late_hand_ins,
    "no failure without a cause": _caused,
    "no process ended by itself": _unexpected_ends,
}

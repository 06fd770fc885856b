"""Find out why an attempt failed: because of its own handler, a fault that affected its worker, or no known cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.history import Change, History, Struck

# Pairs of type and error that the handler of the type causes itself.
CAUSED_BY_HANDLER = {
    ("stumble", "handler_error"), ("hang", "timeout"), ("crash", "crashed"), ("glutton", "crashed"),
    ("outside", "handler_error"),
}  # fmt: skip
HAND_INS, CLAIM_LOST = {"complete", "fail", "release", "heartbeat"}, 409
MIN_OUTAGE_S = 2.0  # a shorter outage gives a worker no reason to stop an attempt


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt from its claim to its failure."""

    task_type: str
    error: str
    claimed: Change
    failed: Change


class Causes:
    """The faults of a history, and the answers to outside workers."""

    def __init__(self, history: History) -> None:
        self._dead_after_s = history.worker_dead_after_s
        self._faults = history.faults
        self._refused_in_time = {
            (each.task_id, each.attempt)
            for each in history.answers
            if each.act in HAND_INS and each.status == CLAIM_LOST and each.answered_at < each.until
        }

    def explain(self, failure: Failure) -> str | None:
        """Return the cause of a failure; None if there is no known cause."""
        if (failure.task_type, failure.error) in CAUSED_BY_HANDLER:
            return "its handler"
        if failure.task_type == "outside":
            held = (failure.claimed.task_id, failure.claimed.attempt)
            return None if held in self._refused_in_time else "no result within the lease"
        pid = worker_pid(failure.failed.worker or failure.claimed.worker)
        if any(
            each.cost == "kill" and pid in each.pids and each.began_at <= failure.failed.at for each in self._faults
        ):
            return "a kill"
        outages = [each for each in self._faults if each.cost == "outage" and (not each.pids or pid in each.pids)]
        earliest = failure.claimed.at - self._dead_after_s
        if overlap_s(outages, earliest, failure.failed.at) >= MIN_OUTAGE_S:
            return "an outage"
        return None


def worker_pid(worker: str | None) -> int | None:
    """Return the process id in the id of a worker; None if there is none."""
    parts = (worker or "").split(".")
    return int(parts[-2]) if len(parts) >= 3 and parts[-2].isdecimal() else None


def overlap_s(faults: Sequence[Struck], begin: float, end: float) -> float:
    """Return how long at least one of these faults lasted between two instants."""
    total, reached = 0.0, begin
    for each in sorted(faults, key=lambda fault: fault.began_at):
        since, until = max(each.began_at, reached), min(each.ended_at, end)
        if until > since:
            total += until - since
            reached = until
    return total

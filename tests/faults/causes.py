"""Why an attempt failed: by what its own code does, or a fault that hit whoever ran it; or for no reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.history import Change, History, Struck

# What the code of a type does by itself, by type and error.
BY_ITSELF = {
    ("stumble", "handler_error"), ("hang", "timeout"), ("crash", "crashed"), ("glutton", "crashed"),
    ("outside", "handler_error"),
}  # fmt: skip
HAND_INS, CLAIM_LOST = {"complete", "fail", "release", "heartbeat"}, 409
OUT_OF_TOUCH_S = 2.0  # a worker that was silent for less than this had no reason to stop anything


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt from its claim to its failure."""

    task_type: str
    error: str
    claimed: Change
    failed: Change


class Causes:
    """The faults of a history, and what outside workers were answered."""

    def __init__(self, history: History) -> None:
        self._dead_after_s = history.worker_dead_after_s
        self._faults = history.faults
        self._refused_in_time = {
            (each.task_id, each.attempt)
            for each in history.answers
            if each.act in HAND_INS and each.status == CLAIM_LOST and each.answered_at < each.until
        }

    def explain(self, failure: Failure) -> str | None:
        """What it was; None when there was nothing."""
        if (failure.task_type, failure.error) in BY_ITSELF:
            return "by itself"
        if failure.task_type == "outside":
            held = (failure.claimed.task_id, failure.claimed.attempt)
            return None if held in self._refused_in_time else "not handed in while its lease held"
        pid = worker_pid(failure.failed.worker or failure.claimed.worker)
        if any(
            each.cost == "kill" and pid in each.pids and each.began_at <= failure.failed.at for each in self._faults
        ):
            return "killed"
        silences = [each for each in self._faults if each.cost == "silence" and (not each.pids or pid in each.pids)]
        earliest = failure.claimed.at - self._dead_after_s
        if overlap_s(silences, earliest, failure.failed.at) >= OUT_OF_TOUCH_S:
            return "out of touch"
        return None


def worker_pid(worker: str | None) -> int | None:
    """Names of workers hold their process id."""
    parts = (worker or "").split(".")
    return int(parts[-2]) if len(parts) >= 3 and parts[-2].isdecimal() else None


def overlap_s(faults: Sequence[Struck], begin: float, end: float) -> float:
    """For how long any of these lasted within a stretch of time."""
    total, reached = 0.0, begin
    for each in sorted(faults, key=lambda fault: fault.began_at):
        since, until = max(each.began_at, reached), min(each.ended_at, end)
        if until > since:
            total += until - since
            reached = until
    return total

"""Outside workers over HTTP: some report results too late, some release their task, some stop responding."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.sight import write_sight

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.faults.load.request_log import RequestLog

THREADS = 4
IDLE_S = 0.2
LEASE_S = 2.0  # twice the timeout of these tasks; it ends no earlier than this after the claim was sent
TAKEN_AWAY_AFTER_S = 4.5  # after the end of the lease: two sweep intervals and a margin
LATE_TRIES, LATE_PAUSE_S = 12, 0.25
BEHAVIOURS = {"in time": 56, "kept": 8, "released": 8, "failed": 8, "too late": 12, "vanished": 8}


class OutsideWorkers:
    """Each thread claims one task after another."""

    def __init__(self, log: RequestLog, witness: Path, seed: int) -> None:
        self._log = log
        self._witness = str(witness)
        self._stopping = threading.Event()
        self._late: list[threading.Thread] = []
        chances = [Random(f"{seed}.outside.{n}") for n in range(THREADS)]
        self._threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for each in chances]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Return when no thread claims any more."""
        self._stopping.set()
        for each in (*self._threads, *self._late):
            each.join()

    def _work(self, chance: Random) -> None:
        while not self._stopping.is_set():
            request, asked_at = {"worker_id": "outside", "type": "outside"}, time.time()
            answer = self._log.send("claim", "/tasks/claim", body=request)
            if answer is not None and answer.status_code == 200:
                self._carry_out(answer.json(), asked_at, chance)
            else:
                self._stopping.wait(IDLE_S)

    def _carry_out(self, claim: Json, asked_at: float, chance: Random) -> None:
        until = asked_at + LEASE_S
        (how,) = chance.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))
        if how == "released":
            self._hand_in("release", claim, until)
            return
        if time.time() >= until:  # the answer took longer than the lease
            return
        write_sight(self._witness, "began", claim["id"], claim["attempt"])
        if how == "vanished":
            return
        if how == "kept":
            time.sleep(0.5)
            asked_at = time.time()
            answer = self._hand_in("heartbeat", claim, until)
            # Without an answer, it is unknown whether the result is in time or too late.
            until = asked_at + LEASE_S if answer else math.nan
        if how == "too late":
            late = threading.Thread(target=self._hand_in_late, args=(claim, until), daemon=True)
            late.start()
            self._late.append(late)
            return
        time.sleep(chance.uniform(0, 0.2))
        write_sight(self._witness, "ended", claim["id"], claim["attempt"])
        self._hand_in("fail" if how == "failed" else "complete", claim, until)

    def _hand_in_late(self, claim: Json, until: float) -> None:
        """Hand in a result several times, after the latest instant at which the sweeper takes the claim away."""
        self._stopping.wait(max(0.0, until + TAKEN_AWAY_AFTER_S - time.time()))
        write_sight(self._witness, "ended", claim["id"], claim["attempt"])
        for _ in range(LATE_TRIES):
            if self._hand_in("complete", claim, until):
                return
            time.sleep(LATE_PAUSE_S)

    def _hand_in(self, act: str, claim: Json, until: float) -> Json | None:
        body = {"claim_token": claim["claim_token"]} | ({"error": "as drawn"} if act == "fail" else {})
        known = {"task_id": claim["id"], "attempt": claim["attempt"], "until": until}
        answer = self._log.send(act, f"/tasks/{claim['id']}/{act}", body=body, **known)
        return answer.json() if answer is not None and answer.status_code == 200 else None

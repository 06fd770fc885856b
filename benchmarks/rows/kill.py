"""All workers killed in the middle of a drain, and started again at once."""

from __future__ import annotations

import signal
import time
from collections import Counter

from benchmarks.peers.records import read_records
from benchmarks.service import Service
from benchmarks.tasks import create, until

COUNT = 2000
AFTER_S = 20.0
STATES = "SELECT state, coalesce(error->>'type', ''), count(*) FROM tasks WHERE type = 'doze' GROUP BY 1, 2"
DONE = "SELECT count(*) FROM tasks WHERE type = 'doze' AND state = 'succeeded'"


def killed(service: Service, *, workers: int = 2) -> dict[str, float]:
    """Kill the workers when half of 2,000 tasks of 5 ms are done; count open and doubled ones 20 s later."""
    at = time.time() + 1.5
    create(service, "doze", [at] * COUNT)
    until(at)
    with service.postgres() as connection:
        while not _is_reached(connection.execute(DONE).fetchone(), COUNT / 2):
            time.sleep(0.005)
        service.signal("worker", signal.SIGKILL)
        killed_at = time.time()
        service.start(worker=workers)
        until(killed_at + AFTER_S)
        counts = {(state, error): number for state, error, number in connection.execute(STATES).fetchall()}
    begun = Counter(number for number, _ in read_records(service.records))
    by_state = Counter[str]()
    for (state, _), number in counts.items():
        by_state[str(state)] += int(str(number))
    return {
        "open": by_state["scheduled"] + by_state["running"],
        "doubled": sum(number - 1 for number in begun.values()),
        "worker_lost": sum(int(str(number)) for (_, error), number in counts.items() if error == "worker_lost"),
        "missing": COUNT - sum(by_state.values()),
    }


def _is_reached(row: tuple[object, ...] | None, wanted: float) -> bool:
    return row is not None and int(str(row[0])) >= wanted

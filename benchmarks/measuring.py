"""Measure parts one after the other, each limit just before the first row that names it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks.limits.limits import LimitPart
from benchmarks.limits.servers import fresh_servers
from benchmarks.machine import Stolen
from benchmarks.parts import Part
from benchmarks.result import Row
from benchmarks.service import running_service


class Measuring:
    """The results so far: `rows` of the service, `limits` by their keys, and the names of parts that `failed`.

    `stolen`: which share of the processors' time others on the host took, by the name of what was measured.
    """

    def __init__(self, limit_parts: Sequence[LimitPart], *, runs: int) -> None:
        self._limit_parts = {limit.key: part for part in limit_parts for limit in part.limits}
        self._runs = runs
        self._begun: set[str] = set()
        self.rows: list[Row] = []
        self.limits: dict[str, Row] = {}
        self.failed: list[str] = []
        self.stolen: dict[str, float] = {}

    def measure(self, part: Part) -> None:
        """Measure all rows of a part, and their limits before that."""
        for wanted in part.rows:
            if wanted.limit:
                self.limit(wanted.limit)
        rows = {
            wanted.key: Row(part.name, wanted.what, wanted.unit, goal=wanted.goal, option=part.option,
                            limit=self.limits.get(wanted.limit))
            for wanted in part.rows
        }  # fmt: skip
        opened = part.opened or partial(running_service, part.environment, web=part.web, worker=part.workers)
        with self.progress(part.name), opened() as service:
            part.prepare(service)
            for _ in range(self._runs if part.repeats else 1):
                _note(rows, part.measure(service))
        self.rows += [row for row in rows.values() if row.values]

    def limit(self, key: str) -> None:
        """Measure the limit of this key, and the others of its part; once only."""
        part = self._limit_parts[key]
        if part.name in self._begun:
            return
        self._begun.add(part.name)
        rows = {limit.key: Row(limit.name, limit.what, limit.unit) for limit in part.limits}
        with self.progress(f"limit: {part.name}"), fresh_servers() as servers, part.opened(servers) as measure:
            for _ in range(self._runs):
                _note(rows, measure())
        self.limits |= {name: row for name, row in rows.items() if row.values}

    @contextmanager
    def progress(self, name: str) -> Iterator[None]:
        """Print what is measured and how long it takes. An error is printed and recorded, and does not stop the run."""
        print(f"… {name}", flush=True)
        began, stolen = time.monotonic(), Stolen()
        try:
            yield
        except Exception as trouble:  # noqa: BLE001  # the results of other parts must not be lost
            print(f"  failed: {type(trouble).__name__}: {trouble}", flush=True)
            self.failed.append(name)
        share = stolen.share()
        print(f"  {time.monotonic() - began:.0f} s" + (f", {share:.0%} stolen" if share else ""), flush=True)
        if share is not None:
            self.stolen[name] = share


def _note(rows: dict[str, Row], values: dict[str, float]) -> None:
    for key, row in rows.items():
        row.values.append(values[key])

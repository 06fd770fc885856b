"""Measures parts one after the other, each limit just before the first row that names it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.limits.servers import fresh_servers
from benchmarks.result import Row
from benchmarks.service import running_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.limits.plan import LimitPart
    from benchmarks.part import Part


class Measuring:
    """What was measured so far: `rows` of ours, and `limits` by their keys."""

    def __init__(self, limit_parts: Sequence[LimitPart], *, runs: int) -> None:
        self._limit_parts = {limit.key: part for part in limit_parts for limit in part.limits}
        self._runs = runs
        self.rows: list[Row] = []
        self.limits: dict[str, Row] = {}

    def measure(self, part: Part) -> None:
        """All rows of a part, and what bounds them."""
        for wanted in part.rows:
            if wanted.limit:
                self.limit(wanted.limit)
        rows = {
            wanted.key: Row(part.name, wanted.what, wanted.unit, goal=wanted.goal, option=part.option,
                            limit=self.limits.get(wanted.limit))
            for wanted in part.rows
        }  # fmt: skip
        with told(part.name), running_service(part.environment, web=part.web, worker=part.workers) as service:
            part.prepare(service)
            for _ in range(self._runs if part.repeats else 1):
                _note(rows, part.measure(service))
        self.rows += rows.values()

    def limit(self, key: str) -> None:
        """The limit of this key, unless it is known, with those that are measured along with it."""
        if key in self.limits:
            return
        part = self._limit_parts[key]
        rows = {limit.key: Row(limit.name, limit.what, limit.unit) for limit in part.limits}
        with told(f"limit: {part.name}"), fresh_servers() as servers, part.opened(servers) as measure:
            for _ in range(self._runs):
                _note(rows, measure())
        self.limits |= rows


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say what is measured, and how long it took."""
    print(f"… {name}", flush=True)
    began = time.monotonic()
    yield
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def _note(rows: dict[str, Row], values: dict[str, float]) -> None:
    for key, row in rows.items():
        row.values.append(values[key])

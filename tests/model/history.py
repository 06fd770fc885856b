"""What was acknowledged and what happened, and the checks that compare the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

from app.task import FINAL_STATES

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.model.clock import Clock

ROWS = text("""
    SELECT id::text, state, attempt, max_attempts, execute_at, next_attempt_at, claim_token::text, started_at,
           finished_at, deleted_at, result::text, error->>'type', (error->>'attempt')::int
    FROM tasks""")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of tasks."""

    id: str
    state: str
    attempt: int
    max_attempts: int
    execute_at: datetime
    next_attempt_at: datetime | None
    claim_token: str | None
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    result: str | None
    error: str | None
    error_attempt: int | None

    @property
    def is_final(self) -> bool:
        """Whether the state is final."""
        return self.state in FINAL_STATES


class History:
    """Acknowledged creations and deletions, and started attempts; reads Postgres over a connection of its own."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self.instants: dict[str, datetime] = {}  # of all requested tasks
        self.kept: set[str] = set()
        self.deleted: set[str] = set()
        self.begun: set[tuple[str, int]] = set()
        self.rows: Mapping[str, Row] = {}

    def begins(self, task_id: str, attempt: int, token: str) -> None:
        """Record the start of an attempt, and assert that it is allowed."""
        assert (task_id, attempt) not in self.begun, f"{task_id} starts attempt {attempt} twice"
        assert task_id not in self.deleted, f"{task_id} starts although it was deleted"
        self.begun.add((task_id, attempt))
        row = self._read()[task_id]
        claimed_at = row.started_at or self._clock.at
        assert claimed_at >= self.instants[task_id], f"{task_id} starts early"
        assert (row.state, row.claim_token) == ("running", token), f"{task_id} starts without its claim: {row}"
        assert attempt <= row.max_attempts, f"{task_id} starts more often than allowed"

    def check(self) -> None:
        """Compare the rows with what was acknowledged, and with the previous rows."""
        before, now = self.rows, self._read()
        missing = self.kept - now.keys()
        assert not missing, f"acknowledged but missing: {missing}"
        for row in now.values():
            _is_sound(row)
            was = before.get(row.id)
            assert was is None or not was.is_final or was == row, f"a final state changed: {was} to {row}"
            assert row.state == "deleted" or row.id not in self.deleted, f"acknowledged but not deleted: {row}"
            assert row.state != "succeeded" or (row.id, row.attempt) in self.begun, f"succeeded without a start: {row}"
        for task_id, attempt in self.begun:
            assert now[task_id].attempt >= attempt, f"an attempt that started is not counted: {now[task_id]}"
        self.rows = now

    def open(self) -> list[Row]:
        """Return all tasks that are not final."""
        return [row for row in self.rows.values() if not row.is_final]

    def _read(self) -> dict[str, Row]:
        with self._engine.connect() as connection:
            return {row[0]: Row(*row) for row in connection.execute(ROWS)}


def _is_sound(row: Row) -> None:
    assert 0 <= row.attempt <= row.max_attempts, f"too many attempts: {row}"
    assert row.started_at is None or row.started_at >= row.execute_at, f"claimed early: {row}"
    assert row.error_attempt is None or row.error_attempt <= row.attempt, f"an error of a future attempt: {row}"
    assert row.state != "succeeded" or row.result == str(row.attempt), f"the result of another attempt: {row}"
    assert row.state != "deleted" or row.attempt == 0, f"deleted after its start: {row}"

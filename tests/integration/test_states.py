"""The migrated schema enforces what the code relies on: the states, the moves between them, and valid rows.

Every test queries the live Postgres, so that it notices any later migration that changes one of these.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from uuid_utils.compat import uuid7

from app.task import FINAL_STATES, TaskState

if TYPE_CHECKING:
    from sqlalchemy import Engine

SCHEDULED, RUNNING, SUCCEEDED, FAILED, CANCELLED, DELETED = TaskState

ALLOWED: dict[TaskState, set[TaskState]] = {
    SCHEDULED: {SCHEDULED, RUNNING, CANCELLED, DELETED},
    RUNNING: {SCHEDULED, RUNNING, SUCCEEDED, FAILED, CANCELLED},
    SUCCEEDED: set(),
    FAILED: set(),
    CANCELLED: set(),
    DELETED: set(),
}
"""The states that a row in each state may be updated to; staying in the same state is an update, too."""

ALLOWED_WITH_MORE_ATTEMPTS: dict[TaskState, set[TaskState]] = {FAILED: {SCHEDULED}, CANCELLED: {SCHEDULED}}
"""Moves that are allowed on top, if the same update allows more attempts than were made."""

CLAIM = {"claim_token": "gen_random_uuid()", "worker_id": "'w'", "started_at": "now()", "attempt": "1"}
ROW_OF: dict[TaskState, dict[str, str]] = {
    SCHEDULED: {},
    RUNNING: CLAIM,
    SUCCEEDED: CLAIM | {"finished_at": "now()"},
    FAILED: CLAIM | {"finished_at": "now()"},
    CANCELLED: CLAIM | {"finished_at": "now()"},
    DELETED: {"deleted_at": "now()", "attempt": "0"},
}
"""The columns, as SQL, that a row in each state needs beside those of every row; no attempts are left."""

VIOLATIONS = {
    "execute_at_is_sane": [
        (SCHEDULED, "execute_at = '0001-12-31T23:59:59Z BC'"),
        (SCHEDULED, "execute_at = '10000-01-01T00:00:00Z'"),
        (SCHEDULED, "execute_at = 'infinity'"),
    ],
    "timeout_is_sane": [
        (SCHEDULED, "timeout_s = 0"),
        (SCHEDULED, "timeout_s = -1"),
        (SCHEDULED, "timeout_s = 86401"),
        (SCHEDULED, "timeout_s = 'NaN'"),
    ],
    "attempts_are_sane": [
        (SCHEDULED, "attempt = -1"),
        (SCHEDULED, "attempt = 2"),
        (SCHEDULED, "max_attempts = 101"),
    ],
    "running_is_claimed": [
        (SCHEDULED, "state = 'running'"),
        (SCHEDULED, "state = 'running', claim_token = gen_random_uuid(), worker_id = 'w'"),
        (SCHEDULED, "state = 'running', claim_token = gen_random_uuid(), started_at = now()"),
        (SCHEDULED, "state = 'running', worker_id = 'w', started_at = now()"),
        (RUNNING, "claim_token = NULL"),
        (RUNNING, "worker_id = NULL"),
        (RUNNING, "started_at = NULL"),
    ],
    "finished_has_its_instant": [
        (RUNNING, "state = 'succeeded'"),
        (RUNNING, "state = 'failed'"),
    ],
    "deleted_never_ran": [
        (SCHEDULED, "state = 'deleted'"),
        (SCHEDULED, "deleted_at = now()"),
        (SCHEDULED, "state = 'deleted', deleted_at = now(), attempt = 1"),
    ],
}
"""A state and assignments to a row in it, by the constraint that refuses them."""


@pytest.mark.parametrize("more_attempts", [False, True], ids=["same attempts", "more attempts"])
@pytest.mark.parametrize(("before", "after"), list(product(TaskState, repeat=2)))
def test_a_row_may_make_these_moves_and_no_other(
    engine: Engine, owner: Engine, before: TaskState, after: TaskState, *, more_attempts: bool
) -> None:
    """The trigger refuses other moves even by the owner of the tables, also to a row that the constraints allow."""
    task_id = _insert(owner, before)
    columns = {"deleted_at": "NULL"} | ROW_OF[after] | ({"max_attempts": "attempt + 1"} if more_attempts else {})
    if after is not DELETED and before is not SCHEDULED:
        columns.pop("attempt", None)
    allowed = set(ALLOWED[before])
    if more_attempts:
        allowed |= ALLOWED_WITH_MORE_ATTEMPTS.get(before, set())
    if after in allowed:
        assert _update(owner, task_id, after, columns) == 1
    else:
        with pytest.raises(IntegrityError, match=r"final|cannot go from"):
            _update(owner, task_id, after, columns)
    assert _state(engine, task_id) == (after if after in allowed else before)


def test_the_states_that_no_move_leaves_are_the_final_ones_of_the_code() -> None:
    assert {state for state in TaskState if not ALLOWED[state]} == FINAL_STATES


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
@pytest.mark.parametrize("assignment", ["result = '2'", "state = state", "payload = '{\"a\": 1}'"])
def test_no_column_of_a_final_row_changes(engine: Engine, owner: Engine, state: TaskState, assignment: str) -> None:
    task_id = _insert(owner, state)
    with engine.connect() as connection, pytest.raises(IntegrityError, match="final"):
        connection.execute(text(f"UPDATE tasks SET {assignment} WHERE id = :id"), {"id": task_id})


def test_the_states_of_the_schema_are_those_of_the_code_in_their_order(engine: Engine) -> None:
    listed = (
        "SELECT enumlabel FROM pg_enum JOIN pg_attribute ON enumtypid = atttypid"
        " WHERE attrelid = 'tasks'::regclass AND attname = 'state' ORDER BY enumsortorder"
    )
    with engine.connect() as connection:
        assert list(connection.execute(text(listed)).scalars()) == [state.value for state in TaskState]


@pytest.mark.parametrize(
    ("constraint", "state", "assignments"), [(name, *each) for name in VIOLATIONS for each in VIOLATIONS[name]]
)
def test_an_impossible_row_is_refused(
    engine: Engine, owner: Engine, constraint: str, state: TaskState, assignments: str
) -> None:
    task_id = _insert(owner, state)
    with engine.connect() as connection, pytest.raises(IntegrityError, match=constraint):
        connection.execute(text(f"UPDATE tasks SET {assignments} WHERE id = :id"), {"id": task_id})


def test_every_check_of_the_table_of_tasks_is_violated_above(engine: Engine) -> None:
    checks = "SELECT conname FROM pg_constraint WHERE conrelid = 'tasks'::regclass AND contype = 'c'"
    with engine.connect() as connection:
        assert set(connection.execute(text(checks)).scalars()) == set(VIOLATIONS)


def test_a_task_that_was_cancelled_before_it_began_has_its_attempts_left(engine: Engine, owner: Engine) -> None:
    task_id = _insert(owner, SCHEDULED)
    assert _update(owner, task_id, CANCELLED, {"finished_at": "now()"}) == 1
    assert _update(owner, task_id, SCHEDULED, {}) == 1
    assert _state(engine, task_id) == SCHEDULED


def test_a_retry_cannot_reset_the_number_of_attempts(engine: Engine, owner: Engine) -> None:
    task_id = _insert(owner, FAILED)
    with pytest.raises(IntegrityError, match="final"):
        _update(owner, task_id, SCHEDULED, {"attempt": "0", "max_attempts": "5"})
    assert _state(engine, task_id) == FAILED


def test_a_task_is_due_at_its_next_attempt_if_there_is_one(engine: Engine, owner: Engine) -> None:
    task_id = _insert(owner, SCHEDULED)
    is_due = "SELECT due_at = {} FROM tasks WHERE id = :id"
    for assignment, column in (
        ("execute_at = '2030-01-01T00:00:00Z'", "execute_at"),
        ("next_attempt_at = '2031-01-01T00:00:00Z'", "next_attempt_at"),
        ("next_attempt_at = NULL", "execute_at"),
    ):
        with engine.connect() as connection:
            connection.execute(text(f"UPDATE tasks SET {assignment} WHERE id = :id"), {"id": task_id})
            assert connection.execute(text(is_due.format(column)), {"id": task_id}).scalar_one()
    with engine.connect() as connection, pytest.raises(ProgrammingError, match="generated column"):
        connection.execute(text("UPDATE tasks SET due_at = now() WHERE id = :id"), {"id": task_id})


def _insert(owner: Engine, state: TaskState) -> UUID:
    task_id = uuid7()
    columns = {
        "id": ":id", "type": "'noop'", "execute_at": "now()", "payload": "'{}'", "timeout_s": "5", "max_attempts": "1",
        "state": f"'{state}'",
    } | ROW_OF[state]  # fmt: skip
    with owner.connect() as connection:
        names, values = ", ".join(columns), ", ".join(columns.values())
        connection.execute(text(f"INSERT INTO tasks ({names}) VALUES ({values})"), {"id": task_id})
    return task_id


def _update(owner: Engine, task_id: UUID, state: TaskState, columns: dict[str, str]) -> int:
    assignments = ", ".join(f"{name} = {value}" for name, value in (columns | {"state": f"'{state}'"}).items())
    with owner.connect() as connection:
        found = connection.execute(text(f"UPDATE tasks SET {assignments} WHERE id = :id"), {"id": task_id})
        return int(found.rowcount)


def _state(engine: Engine, task_id: UUID) -> str:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT state FROM tasks WHERE id = :id"), {"id": task_id})
        return str(found.scalar_one())

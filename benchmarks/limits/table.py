"""A table much like that of the tasks: a uuid as its key, two indexes, and no rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

TOGETHER = 1000
TABLE = """
CREATE TABLE tasks (
    execute_at   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at   timestamptz,
    finished_at  timestamptz,
    id           uuid PRIMARY KEY,
    claim_token  uuid,
    attempt      integer NOT NULL DEFAULT 0,
    state        text NOT NULL DEFAULT 'scheduled',
    type         text NOT NULL,
    payload      jsonb NOT NULL
)
"""
DUE = "CREATE INDEX tasks_due ON tasks (execute_at, id) WHERE state = 'scheduled'"
BY_STATE = "CREATE INDEX tasks_by_state ON tasks (state, execute_at)"
# Arrays that were written as text beforehand: faster than JSON, and than arrays that psycopg writes.
INSERT = """
INSERT INTO tasks (id, execute_at, type, payload)
SELECT id, to_timestamp(at), 'bench', '{}'
FROM unnest(%s::uuid[], %s::float8[]) AS new (id, at)
"""


def make_table(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """The table, empty."""
    for statement in (TABLE, DUE, BY_STATE):
        connection.execute(statement)


def new_ids(count: int) -> list[str]:
    """As ours: in the order of time."""
    return [str(uuid7()) for _ in range(count)]


def arguments(ids: Sequence[str], instants: Sequence[float]) -> tuple[str, str]:
    """What INSERT takes: two arrays as Postgres reads them."""
    return "{" + ",".join(ids) + "}", "{" + ",".join(map(repr, instants)) + "}"

"""Both stores driven directly, by one connection each, with a table much like that of the tasks.

The table has a uuid as its key, two indexes, no constraints and no trigger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from benchmarks.limits.servers import Servers

if TYPE_CHECKING:
    import psycopg
    from redis import Redis

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
# Arrays formatted as text beforehand, which is faster than JSON and than psycopg's own adaptation.
INSERT = """
INSERT INTO tasks (id, execute_at, type, payload)
SELECT id, to_timestamp(at), 'bench', '{}'
FROM unnest(%s::uuid[], %s::float8[]) AS new (id, at)
"""
MOVE = (Path(__file__).parent / "move.lua").read_text()
SET, LIST = "limit:schedule", "limit:queue"
STATEMENTS, SINGLES, MOVED = 40, 3000, 500
FAR_S = 86_400.0


def make_table(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    for statement in (TABLE, DUE, BY_STATE):
        connection.execute(statement)


def new_ids(count: int) -> list[str]:
    """Return new ids, ordered by time as those of the service."""
    return [str(uuid7()) for _ in range(count)]


def arguments(ids: Sequence[str], instants: Sequence[float]) -> tuple[str, str]:
    """Return the parameters of INSERT: two arrays in the text format of Postgres."""
    return "{" + ",".join(ids) + "}", "{" + ",".join(map(repr, instants)) + "}"


@contextmanager
def driven_stores(servers: Servers) -> Iterator[Callable[[], dict[str, float]]]:
    """Create the table with a thousand rows, and return what measures the stores."""
    with servers.postgres() as connection, servers.redis() as redis:
        make_table(connection)
        connection.execute(INSERT, arguments(new_ids(TOGETHER), [time.time() + FAR_S] * TOGETHER))
        yield partial(_measured, connection, redis)


def _measured(connection: psycopg.Connection[tuple[object, ...]], redis: Redis) -> dict[str, float]:
    """Return rates: rows, rows and ids, ids one by one, ids together, ids moved."""
    far = time.time() + FAR_S
    groups = [new_ids(TOGETHER) for _ in range(2 * STATEMENTS)]  # before the clock runs
    rows = [arguments(each, [far] * TOGETHER) for each in groups]
    scores = [dict.fromkeys(each, far) for each in groups]

    def insert_and_add(number: int) -> None:
        connection.execute(INSERT, rows[STATEMENTS + number])
        redis.zadd(SET, scores[STATEMENTS + number])

    redis.delete(SET, LIST)
    rates = {
        "insert": TOGETHER * _per_s(STATEMENTS, lambda number: connection.execute(INSERT, rows[number])),
        "insert, zadd": TOGETHER * _per_s(STATEMENTS, insert_and_add),
    }
    singles = new_ids(SINGLES)
    rates["zadd"] = _per_s(SINGLES, lambda number: redis.zadd(SET, {singles[number]: far}))
    rates["zadd 1000"] = TOGETHER * _per_s(STATEMENTS, lambda number: redis.zadd(SET, scores[number]))
    rates["move"] = _moved_per_s(redis)
    return rates


def _moved_per_s(redis: Redis) -> float:
    move, count = redis.register_script(MOVE), redis.zcard(SET) // MOVED
    return MOVED * _per_s(count, lambda _: move(keys=[SET, LIST], args=["inf", MOVED]))


def _per_s(count: int, act: Callable[[int], object]) -> float:
    began = time.perf_counter()
    for number in range(count):
        act(number)
    return count / (time.perf_counter() - began)

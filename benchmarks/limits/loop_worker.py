"""The raw loop's worker: takes a hundred ids, claims them, runs each, writes down that they ended."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
from redis import Redis

from benchmarks.limits.stores import LIST
from benchmarks.records import note

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 100
WAIT_S = 1
# The state is compared as an expression: with statistics, the planner would leave the primary key for an index on it.
CLAIM = """
UPDATE tasks
SET state = 'running', attempt = attempt + 1, claim_token = %s::uuid, started_at = clock_timestamp()
WHERE id = ANY(%s::uuid[]) AND state || '' = 'scheduled' AND execute_at <= clock_timestamp()
RETURNING id::text
"""
FINISH = """
UPDATE tasks
SET state = 'succeeded', finished_at = clock_timestamp()
WHERE id = ANY(%s::uuid[]) AND state || '' = 'running' AND claim_token = %s::uuid
"""


def main() -> None:
    """Until it is killed."""
    redis = Redis.from_url(os.environ["REDIS_URL"])
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=2) as connection:
        while True:
            if taken := _take(redis):
                _run(connection, taken)


def _take(redis: Redis) -> Sequence[bytes]:
    taken: Any = redis.lpop(LIST, AT_ONCE)
    if not taken:
        first: Any = redis.blpop([LIST], timeout=WAIT_S)
        taken = first[1:] if first else []
    return list(taken)


def _run(connection: psycopg.Connection[tuple[Any, ...]], taken: Sequence[bytes]) -> None:
    token = str(uuid4())
    claimed = [each for (each,) in connection.execute(CLAIM, [token, _array(taken)]).fetchall()]
    for each in claimed:
        note(each)
    connection.execute(FINISH, ["{" + ",".join(claimed) + "}", token])


def _array(ids: Sequence[bytes]) -> str:
    return "{" + b",".join(ids).decode() + "}"


if __name__ == "__main__":
    main()

"""The processes of the raw loop: `python -m benchmarks.limits.loop_processes promoter` or `worker`; killed to stop."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import psycopg
from redis import Redis

from benchmarks.limits.stores import LIST, MOVE, SET
from benchmarks.records import note

MOVED_AT_ONCE = 1000
POLL_S = 0.02
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


def promote() -> None:
    """Move due ids from the sorted set to the list, a thousand at a time, and sleep until the next is due."""
    redis = Redis.from_url(os.environ["REDIS_URL"])
    move = redis.register_script(MOVE)
    while True:
        next_at = move(keys=[SET, LIST], args=[repr(time.time()), MOVED_AT_ONCE])
        pause_s = float(next_at) - time.time() if next_at else POLL_S
        time.sleep(min(max(pause_s, 0.0), POLL_S))


def work() -> None:
    """Take a hundred ids, claim them, run each, record that they ended."""
    redis = Redis.from_url(os.environ["REDIS_URL"])
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=2) as connection:
        while True:
            if ids := _take(redis):
                _run(connection, ids)


def _take(redis: Redis) -> Sequence[bytes]:
    ids: Any = redis.lpop(LIST, AT_ONCE)
    if not ids:
        first: Any = redis.blpop([LIST], timeout=WAIT_S)
        ids = first[1:] if first else []
    return list(ids)


def _run(connection: psycopg.Connection[tuple[Any, ...]], ids: Sequence[bytes]) -> None:
    token = str(uuid4())
    claimed = [each for (each,) in connection.execute(CLAIM, [token, _array(ids)]).fetchall()]
    for each in claimed:
        note(each)
    connection.execute(FINISH, ["{" + ",".join(claimed) + "}", token])


def _array(ids: Sequence[bytes]) -> str:
    return "{" + b",".join(ids).decode() + "}"


PROCESSES = {"promoter": promote, "worker": work}

if __name__ == "__main__":
    PROCESSES[sys.argv[1]]()

"""RQ with its own scheduler: enqueue_at."""

import os
from datetime import UTC, datetime

import record
from redis import Redis
from rq import Queue

queue = Queue(connection=Redis.from_url(os.environ["PEER_STORE"]))


def create(number: int, at_ms: int) -> None:
    queue.enqueue_at(datetime.fromtimestamp(at_ms / 1000, UTC), record.run, number)

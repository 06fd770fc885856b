"""rq-scheduler: a process of its own moves due jobs to RQ's queue."""

import os
from datetime import UTC, datetime

import record
from redis import Redis
from rq_scheduler import Scheduler

scheduler = Scheduler(connection=Redis.from_url(os.environ["PEER_STORE"]))


def create(number: int, at_ms: int) -> None:
    scheduler.enqueue_at(datetime.fromtimestamp(at_ms / 1000, UTC), record.run, number)

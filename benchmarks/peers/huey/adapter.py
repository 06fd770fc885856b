"""Huey over Redis: schedule(eta=...)."""

import os
from datetime import UTC, datetime

import record
from huey import RedisHuey

huey = RedisHuey("peer", url=os.environ["PEER_STORE"], results=False)


@huey.task()
def run(number: int) -> None:
    record.run(number)


def create(number: int, at_ms: int) -> None:
    run.schedule(args=(number,), eta=datetime.fromtimestamp(at_ms / 1000, UTC))

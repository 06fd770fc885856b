"""Dramatiq over Redis: messages with a delay."""

import math
import os
import time

import dramatiq
import record
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["PEER_STORE"]))


@dramatiq.actor
def run(number: int) -> None:
    record.run(number)


def create(number: int, at_ms: int) -> None:
    run.send_with_options(args=(number,), delay=math.ceil(at_ms - time.time() * 1000))

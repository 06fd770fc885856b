"""Celery over Redis: tasks with an eta."""

import os
from datetime import UTC, datetime

import record
from celery import Celery

app = Celery("adapter", broker=os.environ["PEER_STORE"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=128,
    broker_transport_options={"visibility_timeout": 7 * 86_400},
    broker_connection_retry_on_startup=True,
)


@app.task(name="run")
def run(number: int) -> None:
    record.run(number)


def create(number: int, at_ms: int) -> None:
    run.apply_async((number,), eta=datetime.fromtimestamp(at_ms / 1000, UTC))

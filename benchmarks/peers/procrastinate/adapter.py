"""Procrastinate over Postgres: schedule_at."""

import os
from datetime import UTC, datetime
from functools import cache

import record
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["PEER_STORE"]))


@app.task(name="run")
async def run(number: int) -> None:
    await record.run_async(number)


@cache
def opened() -> App:
    return app.open()


def set_up() -> None:
    opened().schema_manager.apply_schema()


def close() -> None:
    app.close()


def create(number: int, at_ms: int) -> None:
    opened()
    run.configure(schedule_at=datetime.fromtimestamp(at_ms / 1000, UTC)).defer(number=number)


def create_many(numbers: range, at_ms: int) -> None:
    opened()
    later = run.configure(schedule_at=datetime.fromtimestamp(at_ms / 1000, UTC))
    later.batch_defer(*({"number": number} for number in numbers))

"""Counters: buffered in memory and added up in Postgres; counting never waits."""

from __future__ import annotations

import time
from collections import Counter as Sums
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from app.api.services import services_of
from app.batching import Batcher
from app.config import read_settings
from app.connections import connect_postgres
from app.counter_buffer import CounterBuffer
from app.errors import LedgerUnavailable
from app.ledger import counters
from app.ledger.counters import Counter
from tests.acceptance.conditions import wait_until
from tests.integration.api_calls import lease, problem
from tests.making import change, make
from tests.patience import patience
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.operations import Operations
    from app.task_types import TaskTypes

AWAY = {"DATABASE_URL": "postgresql://x:y@127.0.0.1:9/none", "REDIS_URL": "redis://x"}


def test_counts_of_several_processes_are_added_up(engine: Engine) -> None:
    for buffer in (CounterBuffer(engine), CounterBuffer(engine)):
        buffer.count(Counter.FENCED, 2)
        buffer.count(Counter.RESCUED)
        buffer.count(Counter.RESTORED, 0)
        buffer.step()
        buffer.step()
    assert counters.totals(engine) == dict.fromkeys(Counter, 0) | {Counter.FENCED: 4, Counter.RESCUED: 2}


def test_counts_are_kept_while_postgres_is_unavailable(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    unavailable = connect_postgres(read_settings(AWAY), name="unavailable", pool=1)
    add = counters.add
    buffer = CounterBuffer(engine)
    buffer.count(Counter.FENCED)
    with monkeypatch.context() as patch:
        patch.setattr(counters, "add", lambda _, increments: add(unavailable, increments))
        with pytest.raises(LedgerUnavailable):
            buffer.step()
    buffer.count(Counter.FENCED)
    buffer.step()
    assert counters.totals(engine)[Counter.FENCED] == 2


def test_counting_does_not_wait_for_postgres(engine: Engine, owner: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CounterBuffer, "start", Batcher.start)
    monkeypatch.setattr("app.counter_buffer.FLUSH_INTERVAL_S", 0.01)
    buffer = CounterBuffer(engine)
    with owner.connect().execution_options(isolation_level="READ COMMITTED") as other, other.begin():
        other.execute(text("LOCK TABLE counters"))
        buffer.count(Counter.FENCED)
        wait_until(lambda: not buffer.pending(), 10, "the statement is under way")
        began = time.monotonic()
        for _ in range(1000):
            buffer.count(Counter.FENCED)
        assert time.monotonic() - began < patience(4)
    wait_until(lambda: counters.totals(engine)[Counter.FENCED] == 1001, 10, "all are added")
    assert buffer.close(10)


def test_nothing_that_many_threads_counted_is_lost(engine: Engine) -> None:
    buffer = CounterBuffer(engine)

    def count() -> None:
        for _ in range(500):
            buffer.count(Counter.CLAIMS_LOST)

    threads = [Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        buffer.step()
    buffer.step()
    assert counters.totals(engine)[Counter.CLAIMS_LOST] == 2000


def test_the_sweeper_counts_rescued_and_restored_tasks(  # noqa: PLR0917  # fixtures
    engine: Engine, redis: Redis, types: TaskTypes, settings: Settings, operations: Operations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    counted = Sums[Counter]()
    monkeypatch.setattr(CounterBuffer, "count", lambda _, name, number=1: counted.update({name: number}))
    sweeper = Sweeper(engine, redis, types, settings)
    lost, unknown = make(operations, 2)
    change(engine, lost.id, "state = 'running', claim_token = id, worker_id = 'gone', started_at = now(), attempt = 1")
    redis.delete("due:noop")
    change(engine, unknown.id, "execute_at = now() - interval '1 min'")
    sweeper.rescue()
    sweeper.restore()
    assert counted == {Counter.RESCUED: 1, Counter.RESTORED: 1}


def test_an_outside_worker_that_lost_its_claim_is_counted(client: FlaskClient, engine: Engine) -> None:
    held = lease(client)
    wrong = {"claim_token": "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"}
    problem(client.post(f"/tasks/{held['id']}/complete", json=wrong), 409, "claim-lost")
    buffer = services_of(client.application).operations.counters
    buffer.step()
    assert counters.totals(engine)[Counter.FENCED] >= 1

"""GET /stats: correct, bounded, and available without Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import text

from app.api import shapes
from app.api.single_flight import cached_briefly
from app.errors import LedgerUnavailable
from app.ledger import counters, statistics, workers
from app.ledger.counters import Counter
from app.ledger.statements import statement
from tests.integration.api_calls import FUTURE, PAST, body, create, fields, lease
from tests.making import change
from tests.patience import patience

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Connection, Engine

    from app.task_types import TaskTypes

TOKEN = "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"
FILL = """
INSERT INTO tasks (id, type, execute_at, payload, timeout_s, max_attempts, state, finished_at, started_at, lag_ms)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'foo' ELSE 'baz' END, clock_timestamp() - n * interval '1 ms',
       '{}', 5, 1, (CASE WHEN n % 10 = 0 THEN 'scheduled' ELSE 'succeeded' END)::task_state,
       now(), now(), CASE WHEN n % 10 <> 0 THEN n % 100 END
FROM generate_series(1, :rows) AS n
"""

DELETED = """
INSERT INTO tasks (id, type, execute_at, payload, timeout_s, max_attempts, state, deleted_at)
SELECT gen_random_uuid(), 'foo', now(), '{}', 5, 1, 'deleted', now() FROM generate_series(1, :rows)
"""


BEGUN = "state = 'running', attempt = 1, started_at = now(), worker_id = 'w', claim_token = gen_random_uuid()"


def get_stats(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/stats")
    assert answer.status_code == 200, answer.text
    msgspec.convert(body(answer), shapes.Stats)
    return body(answer)


def test_empty_tables_have_empty_statistics(client: FlaskClient) -> None:
    empty = get_stats(client)
    assert (empty["by_state"], empty["by_type"], empty["workers"]) == ({}, {}, [])
    assert (empty["oldest_overdue_s"], empty["backlog"]["due"], empty["punctuality"]["tasks"]) == (0, 0, 0)
    assert empty["punctuality"]["p99_ms"] is None
    assert empty["counters"] == dict.fromkeys(Counter, 0)
    assert empty["redis"] == "ok"


def test_tasks_are_counted_by_state_and_type(client: FlaskClient) -> None:
    create(client, execute_at=FUTURE)
    create(client, type="baz", execute_at=FUTURE)
    client.delete(f"/tasks/{create(client, execute_at=FUTURE)['id']}")
    lease(client)
    now = get_stats(client)
    assert now["by_state"] == {"scheduled": 2, "deleted": 1, "running": 1}
    assert now["by_type"] == {
        "foo": {"scheduled": 1, "deleted": 1}, "baz": {"scheduled": 1}, "outside": {"running": 1},
    }  # fmt: skip


def test_overdue_tasks_are_counted(client: FlaskClient, engine: Engine) -> None:
    task = create(client, execute_at=PAST)
    change(engine, task["id"], "execute_at = clock_timestamp() - interval '5 min'")
    create(client, execute_at=FUTURE)
    now = get_stats(client)
    assert 300 <= now["oldest_overdue_s"] < 300 + patience(30)
    assert now["backlog"]["due"] == 1


def test_punctuality_covers_the_tasks_of_the_last_minutes(client: FlaskClient, engine: Engine) -> None:
    for n, ago in enumerate(["1 min", "2 min", "10 min", "20 min"]):
        task = create(client, execute_at=FUTURE)
        change(engine, task["id"], f"{BEGUN}, execute_at = clock_timestamp() - interval '{ago}', lag_ms = {10 * n}")
        change(engine, task["id"], "state = 'succeeded', finished_at = now()")
    lately = get_stats(client)["punctuality"]
    assert (lately["tasks"], lately["p50_ms"], lately["p99_ms"]) == (3, 10, pytest.approx(19.8))
    assert lately["early_total"] == 0


def test_punctuality_is_reported_by_type(client: FlaskClient, engine: Engine) -> None:
    for n, task_type in enumerate(["foo", "baz", "baz"]):
        task = create(client, type=task_type, execute_at=FUTURE)
        change(engine, task["id"], f"{BEGUN}, execute_at = clock_timestamp() - interval '1 min', lag_ms = {10 * n}")
        change(engine, task["id"], "state = 'succeeded', finished_at = now()")
    by_type = get_stats(client)["punctuality"]["by_type"]
    assert {name: (each["tasks"], each["p50_ms"]) for name, each in by_type.items()} == {"foo": (1, 0), "baz": (2, 15)}


def test_early_starts_are_counted(client: FlaskClient, engine: Engine) -> None:
    task = create(client, execute_at=FUTURE)
    change(engine, task["id"], f"{BEGUN}, lag_ms = -0.001")
    assert get_stats(client)["punctuality"]["early_total"] == 1


def test_the_backlog_in_redis_is_counted(client: FlaskClient, redis: Redis) -> None:
    create(client, execute_at=FUTURE)
    redis.zadd("due:baz", {"a": 1})
    redis.zadd("delivered:foo", {"b": 1, "c": 1})
    redis.rpush("rq:queue:default", "x", "y", "z")
    backlog = get_stats(client)["backlog"]
    assert (backlog["on_schedule"], backlog["delivered"], backlog["rq_queues"]) == (1, 2, {"default": 3})


def test_workers_and_counters_are_reported(client: FlaskClient, engine: Engine) -> None:
    workers.heartbeat(engine, "w", queue="default", slots=3)
    workers.heartbeat(engine, "gone", queue="default", slots=3)
    with engine.connect() as connection:
        connection.execute(text("UPDATE workers SET heartbeat_at = now() - interval '1 min' WHERE id = 'gone'"))
    counters.add(engine, {Counter.RESCUED: 7})
    now = get_stats(client)
    assert [(each["id"], each["slots"], each["alive"]) for each in now["workers"]] == [
        ("gone", 3, False),
        ("w", 3, True),
    ]
    assert now["counters"]["rescued"] == 7


def test_without_redis_statistics_are_answered_and_marked_incomplete(
    client_with: Callable[..., FlaskClient], engine: Engine
) -> None:
    client = client_with(redis_url="redis://:secret@127.0.0.1:1/0")
    create(client, execute_at=FUTURE)
    now = get_stats(client)
    assert now["redis"] == "away"
    assert now["backlog"] == {"due": 0, "on_schedule": None, "delivered": None, "rq_queues": None}
    assert now["by_state"] == {"scheduled": 1}


def test_a_broken_or_frozen_redis_does_not_delay_the_statistics(client: FlaskClient, harm: Redis) -> None:
    harm.set("punctual:due:baz", "x")
    assert get_stats(client)["redis"] == "away"
    harm.client_pause(5000)
    try:
        began = time.monotonic()
        assert get_stats(client)["redis"] == "away"
        assert time.monotonic() - began < patience(4)
    finally:
        harm.client_unpause()


def test_counting_stops_at_a_bound(client: FlaskClient, owner: Engine, types: TaskTypes) -> None:
    with owner.connect() as connection:
        connection.execute(text(FILL), {"rows": 40_000})
        connection.execute(text("VACUUM ANALYZE tasks"))
        now = get_stats(client)
        assert now["by_state"] == {"scheduled": 4000, "succeeded": 10_000}
        assert now["by_type"] == {"foo": {"scheduled": 4000, "succeeded": 10_000}, "baz": {"succeeded": 10_000}}
        assert body(client.get("/types"))["types"][types.names.index("baz")]["counts"] == {"succeeded": 10_000}


@pytest.mark.parametrize("name", ["overdue_count", "types_due", "early_total", "lease_due", "next", "punctuality"])
def test_statements_for_due_tasks_do_not_read_tasks_far_ahead(owner: Engine, engine: Engine, name: str) -> None:
    """This holds for any number of tasks due next year. Postgres counts the rows that a statement reads."""
    given = {"most": 10_000, "until": PAST, "types": ["foo"], "limit": 1, "token": TOKEN, "worker_id": "w"}
    with owner.connect() as connection:
        connection.execute(text(FILL.replace("- n *", "+ interval '1 year' + n *")), {"rows": 20_000})
        connection.execute(text("ANALYZE tasks"))
        before = touched(connection)
        if name == "punctuality":
            statistics.punctuality(engine)
        else:
            connection.exec_driver_sql(statement(name), given)
        assert touched(connection) - before < 100


@pytest.mark.parametrize("name", ["purge_tasks", "purge_deleted"])
def test_purging_does_not_read_rows_that_are_too_new(owner: Engine, engine: Engine, name: str) -> None:
    """The statement runs every few seconds on millions of rows."""
    given = {"state": "succeeded", "type": "foo", "older_than_s": 3600, "limit": 1000}
    with owner.connect() as connection:
        connection.execute(text(FILL), {"rows": 20_000})
        connection.execute(text(DELETED), {"rows": 2000})
        connection.execute(text("ANALYZE tasks"))
        before = touched(connection)
        connection.exec_driver_sql(statement(name), given)
        assert touched(connection) - before < 100


def touched(connection: Connection) -> int:
    """Return how many rows and index entries of `tasks` were read so far."""
    connection.execute(text("SELECT pg_stat_force_next_flush()"))
    read = (
        "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) +"
        " (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'tasks')"
        " FROM pg_stat_user_tables WHERE relname = 'tasks'"
    )
    return int(connection.execute(text(read)).scalar_one())


def test_parameters_are_refused(client: FlaskClient) -> None:
    assert list(fields(client.get("/stats?state=failed"))) == ["state"]


def test_an_answer_is_cached_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.single_flight.KEEP_S", 60.0)
    calls: list[int] = []
    clock = [0.0]

    def ask() -> int:
        calls.append(1)
        return len(calls)

    kept = cached_briefly(ask, timer=lambda: clock[0])
    assert [kept() for _ in range(5)] == [1] * 5
    clock[0] = 59.9
    assert kept() == 1
    clock[0] = 60.0
    assert kept() == 2


def test_concurrent_callers_share_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.single_flight.KEEP_S", 60.0)
    calls: list[int] = []
    many = threading.Barrier(8)

    def ask() -> int:
        calls.append(1)
        time.sleep(0.2)
        return len(calls)

    kept = cached_briefly(ask)

    def ask_with_the_others(_: int) -> int:
        many.wait(10)
        return kept()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask_with_the_others, range(8))) == [1] * 8
    assert len(calls) == 1


def test_an_error_is_not_cached() -> None:
    calls: list[int] = []

    def ask() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise LedgerUnavailable
        return 1

    kept = cached_briefly(ask)
    with pytest.raises(LedgerUnavailable):
        kept()
    assert kept() == 1


def test_the_documented_bound_is_the_one_in_use() -> None:
    assert f"{statistics.COUNTED_UP_TO:,}" in str(shapes.Counts)

"""The circuit breaker with a real Postgres: frozen, slow, or waiting for a standby."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from app.config import read_settings
from app.connections import connect_postgres
from app.errors import LedgerUnavailable
from app.ledger.server import clock
from app.ledger.watchdog import PROBE_TIMEOUT_S, SUSPICION_S, connected
from app.postgres_sessions import POOLER_CHECK_TIMEOUT_S
from local import postgres
from tests import pgbouncer
from tests.acceptance.conditions import wait_until
from tests.acceptance.stores import freeze, thaw
from tests.patience import patience

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from local.server import Server

CALLS, CONNECTIONS = 20, 5
TIMEOUT_S = 20  # of a statement: in these tests only the watchdog ends a call
BUSY_S = 3.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Postgres that no other test uses."""
    with tempfile.TemporaryDirectory(prefix="punctual-frozen-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = postgres.start(folder / "postgres", fast=True)
        yield made
        made.discard()


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    """An engine like that of the processes."""
    with connected_to(server.url) as made:
        yield made


@contextmanager
def connected_to(url: str) -> Iterator[Engine]:
    urls = {"DATABASE_URL": url, "REDIS_URL": "redis://nowhere", "DATABASE_TIMEOUT_S": str(TIMEOUT_S)}
    made = connect_postgres(read_settings(urls), name="test", pool=CONNECTIONS)
    yield made
    made.dispose()


def test_all_calls_to_a_frozen_server_end_and_the_breaker_closes_when_it_continues(
    server: Server, engine: Engine
) -> None:
    for _ in range(2):
        waiting, further = calls_during_a_freeze(server, engine)
        assert max(waiting) < SUSPICION_S + PROBE_TIMEOUT_S + patience(BUSY_S), waiting
        assert max(further) < patience(1), further
        wait_until(lambda: answers(engine), SUSPICION_S + PROBE_TIMEOUT_S + BUSY_S, "the breaker closes")


def test_calls_to_a_frozen_server_end_even_though_a_pooler_in_between_accepts_connections(
    server: Server, tmp_path: Path
) -> None:
    bouncer = pgbouncer.start(tmp_path / "pgbouncer", server.url)
    try:
        with connected_to(pgbouncer.leads_to(bouncer, server.url)) as engine:
            waiting, further = calls_during_a_freeze(server, engine)
            limit_s = SUSPICION_S + PROBE_TIMEOUT_S + POOLER_CHECK_TIMEOUT_S + patience(BUSY_S)
            assert max(waiting + further) < limit_s, (waiting, further)
            wait_until(lambda: answers(engine), SUSPICION_S + PROBE_TIMEOUT_S + BUSY_S, "the breaker closes")
    finally:
        bouncer.discard()


def calls_during_a_freeze(server: Server, engine: Engine) -> tuple[list[float], list[float]]:
    """Return the durations of calls that wait when the server freezes, and of later ones; all are refused."""
    with ThreadPoolExecutor(CALLS) as pool:
        list(pool.map(ask, [engine] * CALLS))  # opens the connections
        freeze(server)
        try:
            return list(pool.map(refused_after_s, [engine] * CALLS)), [refused_after_s(engine) for _ in range(CALLS)]
        finally:
            thaw(server)


def test_a_slow_statement_on_a_responsive_server_is_not_aborted(engine: Engine) -> None:
    with connected(engine) as connection:
        waited_s = SUSPICION_S * 2 + PROBE_TIMEOUT_S
        assert connection.exec_driver_sql(f"SELECT 1 FROM pg_sleep({waited_s})").scalar_one() == 1


def test_a_commit_that_waits_for_a_standby_is_not_aborted(server: Server, engine: Engine) -> None:
    """Such a commit ignores statement_timeout and takes effect in any case: an abort would lose its outcome."""
    configure(server, "ALTER SYSTEM SET synchronous_standby_names = 'none_is_there'")
    standby = threading.Timer(SUSPICION_S * 2 + PROBE_TIMEOUT_S, configure, [server, "ALTER SYSTEM RESET ALL"])
    standby.start()
    began = time.monotonic()
    try:
        with connected(engine) as connection:
            connection.exec_driver_sql("SET synchronous_commit = on")
            connection.exec_driver_sql("CREATE TABLE committed ()")
        assert time.monotonic() - began > SUSPICION_S + PROBE_TIMEOUT_S, "it waited"
    finally:
        standby.join()
    with connected(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM committed").scalar_one() == 0


def ask(engine: Engine) -> None:
    clock(engine)


def answers(engine: Engine) -> bool:
    try:
        ask(engine)
    except LedgerUnavailable:
        return False
    return True


def refused_after_s(engine: Engine) -> float:
    began = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        ask(engine)
    return time.monotonic() - began


def configure(server: Server, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(statement.encode())
        connection.execute("SELECT pg_reload_conf()")

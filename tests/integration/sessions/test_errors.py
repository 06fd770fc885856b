"""What an error of Postgres says about the statement: nothing was done, it was refused, or its result is unknown."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.config import read_settings
from app.connections import connect_postgres
from app.errors import LedgerReadOnly, LedgerUnavailable, LedgerUnchanged, StatementRejected
from app.ledger import tasks
from app.ledger.calls import Effect, call
from app.postgres_sessions import Sessions
from tests.acceptance.conditions import wait_until
from tests.making import NOWHERE, make

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Connection, Engine

    from app.config import Settings
    from app.operations import Operations

ERRORS: dict[str, type[Exception]] = {
    "25006": LedgerReadOnly,
    "40001": LedgerUnchanged,
    "40P01": LedgerUnchanged,
    "40003": LedgerUnavailable,  # statement_completion_unknown
    "42501": LedgerUnchanged,  # insufficient_privilege
    "53100": LedgerUnchanged,  # disk_full
    "53200": LedgerUnchanged,  # out_of_memory
    "55P03": LedgerUnchanged,  # lock_not_available
    "57014": LedgerUnchanged,  # query_canceled, as by statement_timeout
    "08006": LedgerUnavailable,  # of a pooler that lost the server
    "58030": LedgerUnavailable,
    "XX000": LedgerUnavailable,
    "22003": StatementRejected,
    "23514": StatementRejected,
    "54001": StatementRejected,
}


def fail_with(state: str) -> Callable[[Connection], None]:
    return lambda connection: connection.exec_driver_sql(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$").close()


@pytest.mark.parametrize("state", ERRORS)
def test_an_error_says_whether_nothing_was_done(state: str, engine: Engine) -> None:
    with pytest.raises(LedgerUnavailable if state not in {"22003", "23514", "54001"} else StatementRejected) as raised:
        call(engine, fail_with(state), Effect.ONCE)
    assert type(raised.value) is ERRORS[state]
    assert call(engine, ping, Effect.READ) == 1


@pytest.mark.parametrize("state", ["25006", "53100", "57014"])
def test_a_read_never_says_that_nothing_was_done_because_an_earlier_write_may_be_part_of_the_same_act(
    state: str, engine: Engine
) -> None:
    with pytest.raises(LedgerUnavailable) as raised:
        call(engine, fail_with(state), Effect.READ)
    assert type(raised.value) is LedgerUnavailable


@pytest.mark.parametrize(("effect", "tries"), [(Effect.ONCE, 1), (Effect.IDEMPOTENT, 2), (Effect.READ, 2)], ids=str)
def test_a_statement_whose_session_is_ended_is_repeated_once_if_that_is_safe(
    effect: Effect, tries: int, engine: Engine
) -> None:
    """The server announces the end with a FATAL error, which may follow a commit."""
    tried = []

    def end_own_session(connection: Connection) -> None:
        tried.append(1)
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(LedgerUnavailable) as raised:
        call(engine, end_own_session, effect)
    assert type(raised.value) is LedgerUnavailable
    assert len(tried) == tries
    assert call(engine, ping, Effect.READ) == 1


@pytest.mark.parametrize(
    "begin",
    [
        "SET idle_session_timeout = '1ms'",
        "BEGIN; SET idle_in_transaction_session_timeout = '1ms'",
        "BEGIN; SET transaction_timeout = '1ms'",
    ],
)
def test_a_session_ended_by_one_of_its_timeouts_is_replaced(begin: str, engine: Engine) -> None:
    with suppress(DBAPIError), engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        connection.exec_driver_sql(begin)
        wait_until(lambda: not is_running(pid), 30, "the session has ended")
    assert call(engine, ping, Effect.ONCE) == 1


def test_a_session_that_is_ended_while_it_is_opened_is_opened_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = Sessions._examine

    def end_once(sessions: Sessions, driver: psycopg.Connection[Any]) -> None:
        monkeypatch.undo()
        driver.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        examine(sessions, driver)

    monkeypatch.setattr(Sessions, "_examine", end_once)
    engine = connect_postgres(settings, name="ended", pool=1)
    assert call(engine, ping, Effect.ONCE) == 1
    engine.dispose()


@pytest.mark.parametrize("state", ["26000", "42P05", "0A000", "25P02"])
def test_a_session_whose_prepared_statements_are_stale_is_replaced(state: str, engine: Engine) -> None:
    pids = []

    def act(connection: Connection) -> int:
        pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        if len(pids) == 1:
            fail_with(state)(connection)
        return len(pids)

    assert call(engine, act, Effect.ONCE) == 2
    assert pids[0] != pids[1]


def test_a_migration_that_changes_the_columns_of_a_prepared_statement_fails_no_call(
    settings: Settings, owner: Engine, operations: Operations
) -> None:
    """Postgres refuses such a statement until the session ends: "cached plan must not change result type"."""
    keeping = connect_postgres(settings, name="keeping", pool=1, keeps_plans=True)
    (made,) = make(operations)
    for column in ("text", "varchar(64)", "text"):
        for _ in range(5):
            assert tasks.get(keeping, made.id) == made
        with owner.connect() as connection:
            connection.execute(text(f"ALTER TABLE tasks ALTER COLUMN worker_id TYPE {column}"))
    assert tasks.get(keeping, made.id) == made
    keeping.dispose()


def test_prepared_statements_that_a_pooler_has_dropped_fail_no_call(settings: Settings, operations: Operations) -> None:
    keeping = connect_postgres(settings, name="keeping", pool=1)
    (made,) = make(operations)
    for _ in range(5):
        assert tasks.get(keeping, made.id) == made
    with keeping.connect() as connection:
        connection.exec_driver_sql("DEALLOCATE ALL")
    assert tasks.get(keeping, made.id) == made
    keeping.dispose()


@pytest.mark.parametrize("effect", [Effect.ONCE, Effect.IDEMPOTENT])
def test_a_write_that_finds_no_server_says_that_nothing_was_done(effect: Effect) -> None:
    nowhere = connect_postgres(read_settings(NOWHERE), name="nowhere", pool=1)
    with pytest.raises(LedgerUnchanged):
        call(nowhere, ping, effect)


def test_a_write_that_gets_no_connection_says_that_nothing_was_done(engine: Engine) -> None:
    settings = read_settings({"DATABASE_URL": engine.url.render_as_string(hide_password=False), "REDIS_URL": "redis://x",
                              "DATABASE_TIMEOUT_S": "0.1"})  # fmt: skip
    small = connect_postgres(settings, name="small", pool=1)
    with small.connect(), pytest.raises(LedgerUnchanged):
        call(small, ping, Effect.ONCE)
    small.dispose()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ping(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT 1").scalar_one())

"""Stricter defaults of a role or database: sessions set what they rely on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from app.config import read_settings
from app.connections import connect_postgres
from app.errors import InvalidInput, LedgerUnchanged
from app.ledger import claims, server, tasks, workers
from app.ledger.calls import Effect, call
from app.ledger.server import in_force
from app.outcome import Outcome, failed, succeeded
from app.postgres_sessions import session_settings
from app.task import Attempt, TaskState
from tests.integration.api_calls import PAST, body, create, problem
from tests.making import ahead, ids, make

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Connection, Engine

    from app.config import Settings
    from app.operations import Operations
    from tests.integration.sessions.conftest import Defaults

STRICT: dict[str, dict[str, str]] = {
    "serializable": {"default_transaction_isolation": "serializable"},
    "repeatable read": {"default_transaction_isolation": "repeatable read"},
    "deferrable": {"default_transaction_isolation": "serializable", "default_transaction_deferrable": "on"},
    "short statements": {"statement_timeout": "1ms"},
    "short locks": {"lock_timeout": "1ms"},
    "short sessions": {"idle_session_timeout": "1ms", "idle_in_transaction_session_timeout": "1ms"},
    "short transactions": {"transaction_timeout": "1ms"},
    "time zone": {"TimeZone": "Asia/Kathmandu"},
    "dates of SQL": {"DateStyle": "SQL, DMY"},
    "dates of Germany": {"DateStyle": "German"},
    "dates of Postgres": {"DateStyle": "Postgres, DMY"},
    "intervals": {"IntervalStyle": "iso_8601"},
    "few digits": {"extra_float_digits": "-15"},
    "escaped bytes": {"bytea_output": "escape"},
    "backslashes": {"standard_conforming_strings": "off", "escape_string_warning": "on"},
    "Latin 1": {"client_encoding": "LATIN1"},
    "SQL_ASCII": {"client_encoding": "SQL_ASCII"},
    "no nulls in arrays": {"array_nulls": "off"},
    "plans": {"plan_cache_mode": "force_generic_plan", "enable_indexscan": "off", "jit": "on", "jit_above_cost": "0"},
    "row security": {"row_security": "off"},
    "commits": {"synchronous_commit": "off"},
    "nulls": {"transform_null_equals": "on"},
    "messages": {"client_min_messages": "debug5"},
    "parallel": {"debug_parallel_query": "on"},
}
TEXT = "zażółć 😀 \\ ' \" C:\\new"


@pytest.mark.parametrize("name", STRICT)
def test_a_task_is_created_listed_and_deleted_under_strict_defaults(
    name: str, client: FlaskClient, engine: Engine, defaults: Defaults
) -> None:
    with defaults(**STRICT[name]):
        created = create(client, type="noop", payload={"message": TEXT}, execute_at="2030-02-03T04:05:06.123456Z")
        assert body(client.get(f"/tasks/{created['id']}")).items() <= created.items()
        assert created["execute_at"] == "2030-02-03T04:05:06.123456Z"
        assert created["payload"] == {"message": TEXT}
        listed = body(client.get("/tasks?since=2030-02-03T04:05:06Z&until=2030-02-03T04:05:07Z&type=noop"))
        assert [each["id"] for each in listed["tasks"]] == [created["id"]]
        assert body(client.get("/stats"))["by_state"]["scheduled"] == 1
        assert body(client.delete(f"/tasks/{created['id']}"))["state"] == "deleted"
        assert client.get("/ready").status_code == 200


@pytest.mark.parametrize("name", STRICT)
def test_a_worker_claims_and_finishes_under_strict_defaults(
    name: str, engine: Engine, operations: Operations, settings: Settings, defaults: Defaults
) -> None:
    made, token = make(operations, 3, max_attempts=2), claims.new_token()
    asked = session_settings(settings)
    with defaults(**STRICT[name]):
        assert in_force(engine, asked) == asked
        won = claims.claim(engine, ids(made), worker_id="w", types=["noop"], token=token, asked_at=0.0).mine
        assert {each.execute_at for each in won} == {made[0].execute_at}
        done = [succeeded(won[0].id, token, json.dumps(TEXT)), failed(attempt(won[1]), "handler_error", TEXT)]
        assert claims.finish(engine, done).fenced == []
        assert len(claims.hand_back(engine, [(won[2].id, token)])) == 1
        assert workers.heartbeat(engine, "w", queue="default", slots=1) == []
        assert abs((server.clock(engine) - ahead(0)).total_seconds()) < 60
        first, second, third = [tasks.get(engine, each.id) for each in won]
        assert (first.state, json.loads(bytes(first.result))) == (TaskState.SUCCEEDED, TEXT)
        assert (second.state, second.error and second.error.message) == (TaskState.SCHEDULED, TEXT)
        assert (third.state, third.attempt) == (TaskState.SCHEDULED, 0)
        assert second.created_at.utcoffset() == UTC.utcoffset(None)


def attempt(claim: Any) -> Attempt:
    return Attempt(id=claim.id, token=claim.token, attempt=claim.attempt, max_attempts=claim.max_attempts)


def test_concurrent_claims_under_a_serializable_default_are_all_answered(
    engine: Engine, operations: Operations, defaults: Defaults
) -> None:
    made = ids(make(operations, 400))
    with defaults(default_transaction_isolation="serializable"):
        assert in_force(engine, ["default_transaction_isolation"]) == {
            "default_transaction_isolation": "read committed"
        }
        assert len(claim_concurrently(engine, made)) == len(made)


def test_statements_are_repeated_after_serialization_failures_where_a_pooler_drops_our_settings(
    settings: Settings, operations: Operations, defaults: Defaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ids(make(operations, 400))
    monkeypatch.setattr("app.postgres_sessions.options", lambda _: "")
    with defaults(default_transaction_isolation="serializable"):
        engine = connect_postgres(settings, name="pooled", pool=8)
        assert in_force(engine, ["default_transaction_isolation"]) == {"default_transaction_isolation": "serializable"}
        assert len(claim_concurrently(engine, made)) == len(made)
        engine.dispose()


def claim_concurrently(engine: Engine, made: list[str]) -> set[str]:
    """Claim and finish tasks in eight threads, some in two of them at the same time; return those that were won."""

    def work(number: int) -> list[str]:
        won: list[str] = []
        for start in range(number // 2 * 100, number // 2 * 100 + 100, 10):
            token = claims.new_token()
            asked = made[start : start + 10]
            mine = claims.claim(engine, asked, worker_id="w", types=["noop"], token=token, asked_at=0.0).mine
            outcomes: list[Outcome] = [succeeded(each.id, token, "1") for each in mine]
            assert not outcomes or claims.finish(engine, outcomes).fenced == []
            won += [each.id for each in mine]
        return won

    with ThreadPoolExecutor(8) as pool:
        all_won = [each for won in pool.map(work, range(8)) for each in won]
    assert len(all_won) == len(set(all_won)), "each is claimed once"
    return set(all_won)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_statement_that_was_certainly_rolled_back_is_repeated_and_never_unknown(state: str, engine: Engine) -> None:
    tries = []

    def fail(connection: Connection, *, times: int) -> int:
        tries.append(1)
        if len(tries) <= times:
            connection.exec_driver_sql(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")
        return len(tries)

    assert call(engine, lambda connection: fail(connection, times=3), Effect.ONCE) == 4
    tries.clear()
    with pytest.raises(LedgerUnchanged):
        call(engine, lambda connection: fail(connection, times=100), Effect.ONCE)
    assert len(tries) < 10


def test_the_environment_of_a_process_does_not_change_its_sessions(
    settings: Settings, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = make(operations)
    for name, value in {
        "PGTZ": "Asia/Tokyo", "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1",
        "PGOPTIONS": "-c statement_timeout=1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    engine = connect_postgres(settings, name="environment", pool=1)
    asked = session_settings(settings)
    assert in_force(engine, asked) == asked
    assert tasks.get(engine, made.id) == made
    engine.dispose()


def test_tables_that_the_search_path_hides_cause_a_503_that_says_what_to_do(
    client: FlaskClient, defaults: Defaults
) -> None:
    task = create(client)
    with defaults(search_path="elsewhere"):
        for answer in (
            client.post("/tasks", json={"type": "foo", "execute_at": PAST}),
            client.post("/tasks/batch", json={"tasks": [{"type": "foo", "execute_at": PAST}]}),
            client.get(f"/tasks/{task['id']}"),
            client.delete(f"/tasks/{task['id']}"),
        ):
            problem(answer, 503, "ledger-away")
            assert "DATABASE_SCHEMA" in body(answer)["detail"]
        problem(client.get("/ready"), 503, "not-ready")


def test_options_in_the_url_are_kept(settings: Settings, servers: dict[str, str]) -> None:
    url = f"{servers['DATABASE_URL']}?options=-c%20work_mem%3D7MB%20-c%20TimeZone%3DAsia/Tokyo"
    engine = connect_postgres(read_settings(servers | {"DATABASE_URL": url}), name="options", pool=1)
    assert in_force(engine, ["work_mem", "TimeZone"]) == {"work_mem": "7168", "TimeZone": "UTC"}
    engine.dispose()


def test_text_that_only_some_encodings_can_express_is_stored(operations: Operations) -> None:
    (made,) = make(operations, text=TEXT)
    assert not isinstance(made, InvalidInput)
    assert json.loads(bytes(made.payload)) == {"text": TEXT}

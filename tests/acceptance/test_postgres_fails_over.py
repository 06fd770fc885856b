"""Postgres is read-only for a while, or ends idle sessions: every process continues without a restart."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from tests.acceptance.client import new_task
from tests.acceptance.conditions import sleep_until, wait_until
from tests.restricted import ROLE

if TYPE_CHECKING:
    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

END = f"""
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE usename = '{ROLE}' AND datname = current_database()
"""
READ_ONLY_S = 3.0
RECOVERY_S = 60.0


def execute(service: Service, statement: str) -> None:
    """Execute a statement as the owner of the service's database."""
    can_write = "-c default_transaction_read_only=off"
    with psycopg.connect(service.database_url, autocommit=True, options=can_write) as connection:
        connection.execute(statement.encode())


def test_after_a_time_without_writes_all_processes_work_with_the_sessions_that_they_opened_meanwhile(
    new_service: NewService, witness: Witness
) -> None:
    service = new_service()
    due = time.time() + READ_ONLY_S / 2
    ids = [
        each["id"] for each in service.client.create_many([new_task("witness", witness.payload(), execute_at=due)] * 40)
    ]
    database = service.database_url.rpartition("/")[2]
    execute(service, f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    execute(service, END)
    refused = service.client.request("POST", "/tasks", json=new_task("noop"))
    assert (refused.status_code, "read-only" in refused.json()["detail"]) == (503, True)
    not_ready = service.client.request("GET", "/ready")
    assert (not_ready.status_code, not_ready.json()["details"]) == (503, {"postgres": "is read-only"})
    sleep_until(due + READ_ONLY_S)  # meanwhile workers, promoter and sweeper open read-only sessions
    execute(service, f"ALTER DATABASE {database} RESET default_transaction_read_only")
    assert service.client.request("POST", "/tasks", json=new_task("noop")).status_code == 201
    assert service.client.is_ready(service.url)
    service.client.wait_final(ids, timeout=RECOVERY_S)
    witness.assert_ran_once(ids)


def test_tasks_start_without_an_unanswered_claim_after_all_idle_sessions_have_ended(
    new_service: NewService, witness: Witness
) -> None:
    service, ids = new_service(), list[str]()
    for _ in range(3):
        due = time.time() + 3
        wanted = [new_task("witness", witness.payload(), execute_at=due)] * 20
        ids += [each["id"] for each in service.client.create_many(wanted)]
        execute(service, END)
        service.client.wait_final(ids, timeout=RECOVERY_S)
        witness.assert_ran_once(ids)
    wait_until(lambda: service.client.is_ready(service.url), RECOVERY_S, "the service is ready")
    assert service.client.request("GET", "/stats").json()["counters"]["claims_unanswered"] == 0

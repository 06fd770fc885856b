"""The findings of the doctor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.cli.doctor.finding import Level
from app.cli.doctor.processes import check_processes
from app.cli.doctor.servers import (
    check_clock,
    check_connections,
    check_eviction,
    check_pooler,
    check_postgres_version,
    check_redis_version,
    check_rights,
    check_schema,
    check_session,
)
from app.cli.doctor.tasks import LateTask, check_counters, check_early, check_workers, why
from app.config import read_settings
from app.ledger.counters import Counter
from app.ledger.server import Server
from app.ledger.workers import WorkerRow
from app.task_types import TaskType, TaskTypes
from punctual.handler import read_handler

SETTINGS = read_settings({"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere"})


def do_nothing() -> None: ...


HANDLER = read_handler(do_nothing)
TYPES = TaskTypes(
    [
        TaskType(name="foo", handler=HANDLER),
        TaskType(name="print", handler=HANDLER, queue="slow"),
        TaskType(name="outside", handler=None, queue="elsewhere", external=True),
    ]
)


@pytest.mark.parametrize(("version", "level"), [(15, Level.FAIL), (16, Level.OK), (18, Level.OK)])
def test_postgres_is_16_or_newer(version: int, level: Level) -> None:
    assert check_postgres_version(Server(version, 100, 1)).level is level


@pytest.mark.parametrize(
    ("present", "level"), [(None, Level.FAIL), ("0001", Level.FAIL), ("0002", Level.OK), ("0003", Level.WARN)]
)
def test_the_schema_is_that_of_the_code(present: str | None, level: Level) -> None:
    assert check_schema(present, "0002").level is level


@pytest.mark.parametrize(
    ("offset_s", "level"), [(0.001, Level.OK), (-0.4, Level.OK), (5, Level.WARN), (-5, Level.WARN)]
)
def test_clocks_that_differ_cause_a_warning(offset_s: float, level: Level) -> None:
    assert check_clock(offset_s).level is level


@pytest.mark.parametrize(
    ("limit", "taken", "level"), [(15, 1, Level.FAIL), (16, 1, Level.OK), (20, 20, Level.WARN), (97, 30, Level.OK)]
)
def test_one_of_each_process_must_be_able_to_connect(limit: int, taken: int, level: Level) -> None:
    assert check_connections(Server(18, limit, taken), SETTINGS).level is level


@pytest.mark.parametrize(("limit", "taken", "level"), [(5, 4, Level.OK), (5, 5, Level.WARN)])
def test_behind_a_pooler_fewer_connections_are_enough(limit: int, taken: int, level: Level) -> None:
    finding = check_connections(Server(18, limit, taken), SETTINGS, shared=True)
    assert (finding.level, "need" in finding.said) == (level, False)


def test_a_session_setting_that_was_not_applied_is_named_with_its_remedy() -> None:
    settings = {"statement_timeout": "5000", "TimeZone": "UTC"}
    assert check_session(settings, settings).level is Level.OK
    finding = check_session(settings, {"statement_timeout": "0", "TimeZone": "UTC"})
    assert (finding.level, finding.said) == (Level.FAIL, "statement_timeout is 0, not 5000")
    assert "ALTER ROLE CURRENT_USER SET statement_timeout = '5000';" in finding.remedy
    assert "TimeZone" not in finding.remedy


def test_a_pooler_is_named() -> None:
    assert [check_pooler(shared=each).level for each in (True, False)] == [Level.OK, Level.OK]
    assert "nothing is prepared" in check_pooler(shared=True).said


@pytest.mark.parametrize(
    ("info", "level"),
    [({"redis_version": "6.0.16"}, Level.FAIL), ({"redis_version": "6.2.0"}, Level.OK),
     ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, Level.OK), ({}, Level.FAIL)],
)  # fmt: skip
def test_redis_is_6_2_or_newer(info: dict[str, Any], level: Level) -> None:
    assert check_redis_version(info).level is level


@pytest.mark.parametrize(("policy", "level"), [("noeviction", Level.OK), ("allkeys-lru", Level.FAIL)])
def test_redis_must_not_evict_keys(policy: str, level: Level) -> None:
    assert check_eviction({"maxmemory_policy": policy}).level is level


FOO, SLOW, OUTSIDE = TYPES["foo"], TYPES["print"], TYPES["outside"]
WELL = LateTask(type="foo", kind=FOO, alive=1, slots=16, running=3, place="due", deliveries=2)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(WELL, type="x", kind=None), "type x has no handler"),
        (replace(WELL, type="outside", kind=OUTSIDE, alive=0), "no outside worker has claimed it"),
        (replace(WELL, type="print", kind=SLOW, alive=0), "no worker is alive for queue slow"),
        (replace(WELL, redis=False), "Redis does not answer"),
        (replace(WELL, place=None), "Redis does not know it"),
        (replace(WELL, running=16), "all 16 slots of queue default are busy"),
        (replace(WELL, deliveries=0), "no promoter takes it from the due set"),
        (WELL, "2 RQ jobs wait for the workers of queue default"),
        (replace(WELL, place="delivered", deliveries=0), "0 RQ jobs wait for the workers of queue default"),
    ],
)
def test_the_likely_reason_is_one_sentence_with_a_remedy(seen: LateTask, reason: str) -> None:
    assert why(seen)[0] == reason
    assert why(seen)[1]


def test_an_early_start_is_a_broken_promise() -> None:
    assert (check_early(0).level, check_early(1).level) == (Level.OK, Level.FAIL)


def test_refused_jobs_cause_a_warning() -> None:
    none = dict.fromkeys(Counter, 0)
    assert check_counters(none | {Counter.RESCUED: 9}).level is Level.OK
    assert check_counters(none | {Counter.REFUSED_JOBS: 1}).level is Level.WARN


def test_missing_rights_are_named() -> None:
    assert check_rights([]).level is Level.OK
    assert check_rights(["UPDATE on tasks"]).said == "this role lacks UPDATE on tasks"


def test_every_queue_that_a_type_names_needs_a_living_worker() -> None:
    rows = [WorkerRow("a", "default", 16, 1.0), WorkerRow("b", "default", 8, 2.0), WorkerRow("c", "slow", 16, 99.0)]
    default, slow, silent = check_workers(rows, TYPES, dead_after_s=15)
    assert (default.level, default.said) == (Level.OK, "queue default: 2 alive, 24 slots")
    assert (slow.level, slow.said) == (Level.FAIL, "queue slow: no worker runs print")
    assert (silent.level, silent.said) == (Level.WARN, "1 silent for over 15 s")


def test_a_worker_that_reports_why_it_cannot_run_tasks_is_named() -> None:
    rows = [WorkerRow("w.1", "default", 16, 1.0, "no child can be started: cannot fork"),
            WorkerRow("w.2", "slow", 16, 1.0), WorkerRow("w.3", "slow", 16, 99.0, "gone")]  # fmt: skip
    found = list(check_workers(rows, TYPES, dead_after_s=15))
    troubles = [each for each in found if "w." in each.said]
    assert [(each.level, each.said) for each in troubles] == [(Level.WARN, "w.1: no child can be started: cannot fork")]


@pytest.mark.parametrize(
    ("silent", "levels"),
    [
        ({}, [Level.WARN] * 3),
        ({"promoter": [0.5, 900.0], "sweeper": [1.0], "scheduler": [4.0]}, [Level.OK] * 3),
        ({"promoter": [16.0], "sweeper": [-0.2], "scheduler": [3000.0]}, [Level.FAIL, Level.OK, Level.WARN]),
    ],
)
def test_a_process_that_makes_no_steps_is_named(silent: dict[str, list[float]], levels: list[Level]) -> None:
    assert [each.level for each in check_processes(silent)] == levels

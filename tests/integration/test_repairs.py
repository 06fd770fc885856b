"""The sweeper and the chores: restore, rescue and purge."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from redis.exceptions import RedisError

from app.broker.rq.jobs import DeliveryJob, accepting
from app.clock import now
from app.config import read_settings
from app.connections import connect_redis
from app.errors import TaskNotFound
from app.ledger import claims, repairs, server, statistics, tasks, workers
from app.outcome import succeeded
from app.task import TaskState
from tests.making import NOWHERE, ahead, ids, make
from tests.patience import patience
from workers import chores
from workers.housekeeping import CHORE_BY_ID, Housekeeping
from workers.silence import Silence
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.config import Settings
    from app.operations import Operations
    from app.task import Claim, Task
    from app.task_types import TaskTypes


def begin(engine: Engine, made: list[Task], worker_id: str = "w") -> list[Claim]:
    token = claims.new_token()
    return claims.claim(engine, ids(made), worker_id=worker_id, types=[made[0].type], token=token, asked_at=0.0).mine


def test_overdue_tasks_that_redis_does_not_know_are_restored(
    sweeper: Sweeper, operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    make(operations, 30)
    make(operations, 5, task_type="outside")
    harm.flushall()
    assert sweeper.restore() == 30
    assert sweeper.restore() == 0
    assert due_set.sizes(["noop", "outside"]) == (30, 0)


def test_many_lost_tasks_are_restored_without_a_pause(
    sweeper: Sweeper, operations: Operations, due_set: DueSet, harm: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sweeper.PAGE", 10)
    monkeypatch.setattr("workers.sweeper.FULL_PAGE_LOST", 10)
    sweeper.feeding.step()
    make(operations, 35)
    harm.delete("punctual:due:noop")
    assert [sweeper.step() for _ in range(3)] == [True, True, False]
    assert due_set.sizes(["noop"]) == (35, 0)


def test_a_task_of_a_dead_worker_fails_as_worker_lost(sweeper: Sweeper, engine: Engine, operations: Operations) -> None:
    made = make(operations, 3)
    begin(engine, made)
    sweeper.rescue()
    for task in made:
        now = tasks.get(engine, task.id)
        assert now.state is TaskState.FAILED
        assert now.error
        assert (now.error.type, now.error.attempt) == ("worker_lost", 1)


def test_tasks_of_a_dead_worker_are_rescued_while_redis_is_unavailable(
    engine: Engine, operations: Operations, types: TaskTypes, settings: Settings
) -> None:
    (task,) = made = make(operations)
    begin(engine, made)
    nowhere = connect_redis(read_settings(NOWHERE))
    with pytest.raises(RedisError):
        Sweeper(engine, nowhere, types, settings).step()
    assert tasks.get(engine, task.id).state is TaskState.FAILED


def test_a_task_of_a_live_worker_is_left_alone(sweeper: Sweeper, engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations)
    workers.heartbeat(engine, "w", queue="default", slots=1)
    begin(engine, made)
    sweeper.rescue()
    assert tasks.get(engine, task.id).state is TaskState.RUNNING


def test_a_rescued_task_with_attempts_left_is_scheduled_again_and_its_old_run_is_fenced(
    sweeper: Sweeper, engine: Engine, operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    (task,) = made = make(operations, task_type="whoami", max_attempts=2)
    (held,) = begin(engine, made)
    harm.flushall()
    sweeper.rescue()
    now = tasks.get(engine, task.id)
    assert (now.state, now.attempt) == (TaskState.SCHEDULED, 1)
    assert now.next_attempt_at
    assert ahead(0.5) < now.next_attempt_at < ahead(1.2), "a lost worker is a failed attempt, spaced like any other"
    assert due_set.sizes(["whoami"]) == (1, 0)
    assert claims.finish(engine, [succeeded(held.id, held.token, "1")]).fenced == ids(made)


def test_many_lost_tasks_are_rescued_in_bounded_steps(
    sweeper: Sweeper, engine: Engine, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sweeper.RESCUE_BATCH", 10)
    begin(engine, make(operations, 25))
    assert [sweeper.rescue() for _ in range(3)] == [True, True, False]


def test_the_age_of_the_oldest_overdue_task_is_reported(engine: Engine, operations: Operations) -> None:
    assert statistics.overdue(engine).oldest_s == 0
    make(operations, at=ahead(-5))
    make(operations, at=ahead(5))
    assert 4.9 < statistics.overdue(engine).oldest_s < 5 + patience(5)


def test_only_final_tasks_are_purged_and_only_after_the_retention(engine: Engine, operations: Operations) -> None:
    done, deleted, open_ = make(operations, 3)
    (held,) = begin(engine, [done])
    claims.finish(engine, [succeeded(held.id, held.token, "1")])
    tasks.delete(engine, deleted.id)
    assert repairs.purge_final(engine, older_than_s=60, limit=10) == 0
    assert repairs.purge_final(engine, older_than_s=0, limit=10) == 2
    assert tasks.get(engine, open_.id)


def test_a_deleted_task_is_purged_by_its_deletion_time_not_its_due_time(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, at=ahead(10**8))
    tasks.delete(engine, task.id)
    assert repairs.purge_final(engine, older_than_s=60, limit=10) == 0
    assert repairs.purge_final(engine, older_than_s=0, limit=10) == 1


def test_purging_removes_bounded_batches(engine: Engine, operations: Operations) -> None:
    for task in make(operations, 5):
        tasks.delete(engine, task.id)
    assert [repairs.purge_final(engine, older_than_s=0, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_chores_purge_tasks_and_lost_workers(
    engine: Engine, operations: Operations, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "read_settings", lambda: msgspec.structs.replace(settings, retention_s=1e-6))
    monkeypatch.setattr(chores, "_engine", lambda: engine)
    monkeypatch.setattr(chores, "FORGET_WORKERS_AFTER_S", -1.0)
    silence = Silence(engine, dead_after_s=0, clock=now)
    monkeypatch.setattr(chores, "_silence", lambda: silence)
    (task,) = make(operations)
    tasks.delete(engine, task.id)
    workers.heartbeat(engine, "w", queue="default", slots=1)
    assert chores.purge_final_tasks() == 1
    assert [chores.purge_lost_workers() for _ in range(2)] == [0, 1], "the first chore of a process begins to watch"
    for each in chores.purges:
        each.join()
    with pytest.raises(TaskNotFound):
        tasks.get(engine, task.id)
    assert workers.known(engine) == []


def test_a_clock_that_is_set_forward_ends_no_retention(
    engine: Engine, operations: Operations, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "read_settings", lambda: msgspec.structs.replace(settings, retention_s=1e-6))
    monkeypatch.setattr(chores, "_engine", lambda: engine)
    (task,) = make(operations)
    tasks.delete(engine, task.id)
    for ahead_s, is_kept in ((3600.0, True), (0.0, False)):
        monkeypatch.setattr(server, "clock", lambda _, ahead_s=ahead_s: ahead(ahead_s))
        assert chores.purge_final_tasks() == 1
        for each in chores.purges:
            each.join()
        with nullcontext() if is_kept else pytest.raises(TaskNotFound):
            tasks.get(engine, task.id)


def test_a_worker_runs_one_purge_at_a_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = threading.Event()
    thread = threading.Thread(target=going_on.wait)
    thread.start()
    monkeypatch.setattr(chores, "purges", [thread])
    monkeypatch.setattr(chores, "_engine", lambda: engine)
    try:
        assert chores.purge_final_tasks() == 0
    finally:
        going_on.set()
        thread.join()
    assert chores.purge_final_tasks() == 1
    for each in chores.purges:
        each.join()


def test_housekeeping_enqueues_every_chore_and_restores_lost_entries(redis: Redis) -> None:
    housekeeping = Housekeeping(redis, queue_name="default")
    housekeeping.step()
    assert redis.llen("rq:queue:default") == len(chores.CHORES)
    redis.delete("rq:scheduler:scheduled_jobs")
    housekeeping.scheduler.assert_all()
    housekeeping.scheduler.assert_all()
    assert redis.zcard("rq:scheduler:scheduled_jobs") == len(chores.CHORES)


def test_housekeeping_enqueues_only_chores_for_any_content_of_its_list(redis: Redis, tmp_path: Path) -> None:
    """Nor does it import the queue class that a job in Redis names."""
    (tmp_path / "sprung.py").write_text("raise SystemExit('imported')")
    sys.path.insert(0, str(tmp_path))
    refused: list[int] = []
    housekeeping = Housekeeping(redis, queue_name="default", refused=lambda: refused.append(1))
    try:
        for job_id in ("evil", "chore-purge_final_tasks"):
            meta = json.dumps({"queue_class_name": "sprung.Queue", "interval": 0})
            redis.hset(
                f"rq:job:{job_id}", mapping={"data": "x", "meta": meta, "origin": "elsewhere", "created_at": "x"}
            )
            redis.zadd("rq:scheduler:scheduled_jobs", {job_id: 1})
        redis.zadd("rq:scheduler:scheduled_jobs", {b"\xff": float("-inf")})
        redis.lpush("rq:job:chore-purge_lost_workers", "no hash")
        housekeeping.step()
    finally:
        sys.path.remove(str(tmp_path))
    assert sorted(redis.lrange("rq:queue:default", 0, -1)) == [
        b"chore-purge_final_tasks",
        b"chore-purge_lost_workers",
    ]
    assert redis.llen("rq:queue:elsewhere") == 0
    assert len(refused) == 2
    jobs = [accepting(chores.CHORES).fetch(job_id, redis) for job_id in CHORE_BY_ID]
    assert [each.refused_because() for each in jobs if isinstance(each, DeliveryJob)] == [None, None]

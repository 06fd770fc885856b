"""An attacker with all permissions in Redis can delay tasks, but not run code, see payloads or repeat tasks."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.broker.rq.jobs import Delivery, push, queue
from tests.acceptance.busy import busy_shares
from tests.acceptance.client import new_task
from tests.acceptance.conditions import wait_until
from tests.integration.foreign_jobs import FOREIGN, RAW, push_raw

if TYPE_CHECKING:
    from redis import Redis

    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

SECRET = "a-text-that-Redis-must-not-hold"
TASKS = 30
DUE_IN_S = 8.0
OBSERVATION_S = 4.0
MAX_CPU_SHARE = 0.3
MAX_LOG_LINES = 400
WRONG_TYPES = (
    "punctual:due:baz", "punctual:due:witness", "punctual:delivered:witness", "punctual:durations",
    "punctual:rq:queue:default", "punctual:rq:queue:default:intermediate", "punctual:rq:wip:default",
    "punctual:rq:failed:default", "punctual:rq:workers", "punctual:rq:workers:default", "punctual:rq:queues",
    "punctual:rq:clean_registries:default", "punctual:rq:scheduler:scheduled_jobs",
)  # fmt: skip


def test_an_attacker_who_owns_redis_can_only_delay_tasks(
    new_service: NewService, witness: Witness, tmp_path: Path
) -> None:
    service = new_service(worker=1)
    pids = {each.name: each.pid for each in service.processes.values()}
    due = time.time() + DUE_IN_S
    hidden = str(witness.file.rename(witness.file.with_name(SECRET)))
    witness.file = Path(hidden)
    wanted = [new_task("witness", witness.payload(), execute_at=due + n / 20) for n in range(TASKS)]
    ids = [each["id"] for each in service.client.create_many(wanted)]
    outside = service.client.create("outside", delay_s=0)["id"]
    canary = tmp_path / "executed"
    with service.redis() as redis, service.broker() as broker:
        redis.config_set("rdbcompression", "no")  # so that a dump contains the text of a key
        plant_jobs(broker, canary)
        plant_deliveries(broker, ids, outside)
        plant_instants(redis, ids)
        assert keys_with(redis, SECRET) == []
        wait_until(lambda: refused(service) >= len(FOREIGN), 30, "foreign jobs are refused")
        plant_wrong_types(redis)
        command_workers(redis, service)
        service.client.wait_final(ids, timeout=60, type="witness")
        assert keys_with(redis, SECRET) == []
    shares = busy_shares(service, OBSERVATION_S)
    assert max(shares.values()) < MAX_CPU_SHARE, shares
    witness.assert_ran_once(ids)
    assert min(each.at for each in witness.sights()) >= due
    assert service.client.get(outside)["attempt"] == 0
    assert not canary.exists()
    assert {each.name: each.pid for each in service.processes.values() if each.code is None} == pids, (
        "all processes still run"
    )
    assert max(len(each.log_lines()) for each in service.processes.values() if each.kind != "web") < MAX_LOG_LINES
    again = [each["id"] for each in service.client.create_many([new_task("witness", witness.payload())] * 20)]
    service.client.wait_final(again, timeout=20, type="witness")
    witness.assert_ran_once(ids + again)


def plant_jobs(redis: Redis, canary: Path) -> None:
    """Put RQ jobs of all kinds onto the queue, and into every key where RQ and rq-scheduler look for jobs."""
    for name in RAW:
        push_raw(redis, name, canary=canary)
    default = queue("default", redis)
    for function, arguments in FOREIGN:
        foreign = default.enqueue(function, args=arguments)
        redis.zadd("rq:wip:default", {f"{foreign.id}:x": 1})
        redis.zadd("rq:scheduler:scheduled_jobs", {foreign.id: 1})
        redis.hset(foreign.key, "meta", json.dumps({"queue_class_name": "antigravity.Queue", "interval": 0}))


def plant_deliveries(redis: Redis, ids: list[str], outside: str) -> None:
    """Deliver ids of real tasks too early, repeatedly, as another type, and one that only outside workers run."""
    for task_type in ("witness", "noop", "no-such-type", "outside"):
        for _ in range(3):
            push(queue("default", redis), [Delivery(task_type, random.sample([*ids, outside], len(ids)))])


def plant_instants(redis: Redis, ids: list[str]) -> None:
    """Set a third of the ids to now and a third to never, remove a third, and add members that are not ids."""
    redis.zadd("punctual:due:witness", dict.fromkeys(ids[::3], float("-inf")) | dict.fromkeys(ids[1::3], float("inf")))
    redis.zrem("punctual:due:witness", *ids[2::3])
    redis.zadd("punctual:due:noop", {b"\xff": 1, b"x" * 10_000: -1, b"": 0})
    redis.zadd("punctual:delivered:foo", {b"y": float("inf"), b"\xfe": 0})
    redis.hset("punctual:durations", mapping={"witness": "nan", "noop": "-1", "foo": "x", "bar": "1e-300"})


def plant_wrong_types(redis: Redis) -> None:
    """Replace every key that the processes use by one of another type."""
    for key in WRONG_TYPES:
        redis.delete(key)
        redis.set(key, "x")
    redis.delete("punctual:generation")
    redis.lpush("punctual:generation", "x")


def command_workers(redis: Redis, service: Service) -> None:
    """Send RQ's commands to workers, and invalid messages to our channel."""
    workers = [each["worker_id"] for each in service.logged("worker_started", "worker")]
    for each in workers:
        for command in ("shutdown", "kill-horse"):
            redis.publish(f"punctual:rq:pubsub:{each}.1", json.dumps({"command": command}))
    for _ in range(200):
        redis.publish("punctual:wake", b"\xff")


def refused(service: Service) -> int:
    """Return how many jobs the worker has refused."""
    return len(service.logged("job_refused", "worker"))


def keys_with(redis: Redis, secret: str) -> list[bytes]:
    """Return the keys whose name or value contains this text."""
    return [key for key in redis.scan_iter() if secret.encode() in key + (redis.dump(key) or b"")]

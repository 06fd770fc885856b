"""Redis is no way in: who may do anything there delays tasks; he runs no code, sees no payload, repeats no task."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.broker.rq.deliveries import Delivery, push, queue
from tests.acceptance.busy import busy_shares
from tests.acceptance.client import new_task
from tests.acceptance.conditions import wait_until
from tests.integration.foreign_jobs import FOREIGN, RAW, push_raw

if TYPE_CHECKING:
    from redis import Redis

    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

SECRET = "what-nobody-may-see"
TASKS = 30
DUE_IN_S = 8.0
WATCHED_S = 4.0
BUSY = 0.3
MOST_LINES = 400
WRONG_TYPES = (
    "punctual:due:baz", "punctual:due:witness", "punctual:delivered:witness", "punctual:durations",
    "punctual:rq:queue:default", "punctual:rq:queue:default:intermediate", "punctual:rq:wip:default",
    "punctual:rq:failed:default", "punctual:rq:workers", "punctual:rq:workers:default", "punctual:rq:queues",
    "punctual:rq:clean_registries:default", "punctual:rq:scheduler:scheduled_jobs",
)  # fmt: skip


def test_somebody_who_owns_redis_delays_tasks_and_nothing_else(
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
    canary = tmp_path / "sprung"
    with service.redis() as redis, service.broker() as broker:
        redis.config_set("rdbcompression", "no")  # so that a dump shows what a key holds
        sow_jobs(broker, canary)
        sow_envelopes(broker, ids, outside)
        sow_instants(redis, ids)
        assert seen_in(redis, SECRET) == []
        wait_until(lambda: refused(service) >= len(FOREIGN), 30, "what is foreign is refused")
        sow_wrong_types(redis)
        command_workers(redis, service)
        service.client.wait_final(ids, timeout=60, type="witness")
        assert seen_in(redis, SECRET) == []
    busy = busy_shares(service, WATCHED_S)
    assert max(busy.values()) < BUSY, busy
    witness.assert_ran_once(ids)
    assert min(each.at for each in witness.sights()) >= due
    assert service.client.get(outside)["attempt"] == 0
    assert not canary.exists()
    assert {each.name: each.pid for each in service.processes.values() if each.code is None} == pids, "all live"
    assert max(len(each.log_lines()) for each in service.processes.values() if each.kind != "web") < MOST_LINES
    again = [each["id"] for each in service.client.create_many([new_task("witness", witness.payload())] * 20)]
    service.client.wait_final(again, timeout=20, type="witness")
    witness.assert_ran_once(ids + again)


def sow_jobs(redis: Redis, canary: Path) -> None:
    """RQ jobs of all kinds, on the queue and wherever RQ and rq-scheduler look for jobs."""
    for name in RAW:
        push_raw(redis, name, canary=canary)
    default = queue("default", redis)
    for function, arguments in FOREIGN:
        foreign = default.enqueue(function, args=arguments)
        redis.zadd("rq:wip:default", {f"{foreign.id}:x": 1})
        redis.zadd("rq:scheduler:scheduled_jobs", {foreign.id: 1})
        redis.hset(foreign.key, "meta", json.dumps({"queue_class_name": "antigravity.Queue", "interval": 0}))


def sow_envelopes(redis: Redis, ids: list[str], outside: str) -> None:
    """The ids of real tasks: too early, many times, as another type, and one that only outside workers run."""
    for task_type in ("witness", "noop", "no-such-type", "outside"):
        for _ in range(3):
            push(queue("default", redis), [Delivery(task_type, random.sample([*ids, outside], len(ids)))])


def sow_instants(redis: Redis, ids: list[str]) -> None:
    """A third at once, a third never, a third forgotten; and what is no id."""
    redis.zadd("punctual:due:witness", dict.fromkeys(ids[::3], float("-inf")) | dict.fromkeys(ids[1::3], float("inf")))
    redis.zrem("punctual:due:witness", *ids[2::3])
    redis.zadd("punctual:due:noop", {b"\xff": 1, b"x" * 10_000: -1, b"": 0})
    redis.zadd("punctual:delivered:foo", {b"y": float("inf"), b"\xfe": 0})
    redis.hset("punctual:durations", mapping={"witness": "nan", "noop": "-1", "foo": "x", "bar": "1e-300"})


def sow_wrong_types(redis: Redis) -> None:
    """Every key that the processes use, as something else."""
    for key in WRONG_TYPES:
        redis.delete(key)
        redis.set(key, "x")
    redis.delete("punctual:generation")
    redis.lpush("punctual:generation", "x")


def command_workers(redis: Redis, service: Service) -> None:
    """RQ's own commands to workers, and noise on our channel."""
    workers = [each["worker_id"] for each in service.logged("worker_started", "worker")]
    for each in workers:
        for command in ("shutdown", "kill-horse"):
            redis.publish(f"punctual:rq:pubsub:{each}.1", json.dumps({"command": command}))
    for _ in range(200):
        redis.publish("punctual:wake", b"\xff")


def refused(service: Service) -> int:
    """How many jobs the worker refused."""
    return len(service.logged("job_refused", "worker"))


def seen_in(redis: Redis, secret: str) -> list[bytes]:
    """The keys under which Redis knows this text."""
    return [key for key in redis.scan_iter() if secret.encode() in key + (redis.dump(key) or b"")]

"""Values that an attacker with write access to Redis could store where RQ jobs are expected."""

from __future__ import annotations

import json
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis

DELIVER = "deliver"
CHORE = "purge_final_tasks"
ONE = "6f0c2c2e-4a57-4d0e-8d0f-0b8f5a0b9c1d"  # the same in all test processes, as names of tests contain it

# Functions and arguments, enqueued as RQ does it.
FOREIGN: list[tuple[str, list[Any]]] = [
    ("os.system", ["touch /tmp/sprung"]),
    ("os.mkdir", ["/tmp/sprung"]),
    ("workers.worker.__main__.main", []),
    ("app.broker.rq.jobs.accepting", []),
    ("workers.chores.purge_final_tasks", []),
    ("no.such", []),
    (DELIVER, []),
    (DELIVER, ["noop"]),
    (DELIVER, ["noop", [ONE]]),
    (DELIVER, ["noop", [], []]),
    (DELIVER, ["noop", "text", []]),
    (DELIVER, ["noop", [ONE], "more"]),
    (DELIVER, ["noop", [ONE], [ONE]]),
    (DELIVER, ["noop", [ONE], [[ONE]]]),
    (DELIVER, ["noop", [ONE], [[ONE, "now"]]]),
    (DELIVER, ["noop", [ONE], [["no id", 1.5]]]),
    (DELIVER, ["noop", [ONE], [], "more"]),
    (DELIVER, [7, [ONE], []]),
    (DELIVER, ["x" * 1000, [ONE], []]),
    (DELIVER, ["noop", ["no id"], []]),
    (DELIVER, ["noop", [ONE, None], []]),
    (DELIVER, ["noop", [ONE.upper()], []]),
    (DELIVER, ["noop", [f"{number:08x}{ONE[8:]}" for number in range(100_000)], []]),
    (CHORE, ["argument"]),
]


class Trap:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.canary,)


def _data(data: bytes) -> dict[str, Any]:
    return {"data": data, "origin": "default", "status": "queued", "created_at": "2026-01-01T00:00:00.000000Z"}


RAW: dict[str, Callable[[Path], dict[str, Any] | str | None]] = {
    "no job": lambda _: None,
    "a text": lambda _: "text",
    "no data": lambda _: {"status": "queued"},
    "pickled": lambda canary: _data(zlib.compress(pickle.dumps((DELIVER, None, (Trap(canary),), {})))),
    "pickled plainly": lambda canary: _data(pickle.dumps((DELIVER, Trap(canary), (), {}))),
    "pickled meta": lambda canary: _data(b"[]") | {"meta": pickle.dumps(Trap(canary))},
    "pickled result": lambda canary: _data(b"[]") | {"result": pickle.dumps(Trap(canary))},
    "instance": lambda _: _data(json.dumps([DELIVER, {"x": 1}, ["noop", [ONE]], {}]).encode()),
    "keywords": lambda _: _data(json.dumps([DELIVER, None, ["noop", [ONE]], {"x": 1}]).encode()),
    "not four": lambda _: _data(json.dumps([DELIVER]).encode()),
    "an object": lambda _: _data(b"{}"),
    "nested": lambda _: _data(b"[" * 100_000),
    "nested to be read and not written": lambda _: _data(
        json.dumps([DELIVER, None, ["noop", [ONE]]]).encode()[:-1] + b"," + b'{"x":' * 300 + b"1" + b"}" * 300 + b"]"
    ),
    "bytes": lambda _: _data(bytes(range(256))),
    "nothing": lambda _: _data(b""),
    "a bomb": lambda _: _data(zlib.compress(b"[" + b" " * 30_000_000 + b"]", 9)),
    "a bomb in a bomb": lambda _: _data(zlib.compress(zlib.compress(b" " * 30_000_000, 9), 9)),
    "bad fields": lambda canary: _data(b"x") | dict.fromkeys(
        ("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat", "status", "timeout", "ttl", "meta",
         "result_ttl", "failure_ttl", "origin", "description", "worker_name", "dependency_ids", "retry_intervals",
         "repeats_left", "webhooks", "enqueue_at_front", "allow_dependency_failures", "exc_info", "group_id", "result"),
        b"\xff" + pickle.dumps(Trap(canary)),
    ),
}  # fmt: skip
IDS = {"no job": b"\xff\xfe"}


def push_raw(redis: Redis, name: str, *, canary: Path, queue: str = "default") -> str:
    """Push an entry of RAW onto the queue and return the id of its job."""
    job_id = IDS.get(name, name.encode())
    made = RAW[name](canary)
    if isinstance(made, str):
        redis.set(b"rq:job:" + job_id, made)
    elif made:
        redis.hset(b"rq:job:" + job_id, mapping=made)  # type: ignore[arg-type]
    redis.sadd("rq:queues", f"rq:queue:{queue}")
    redis.lpush(f"rq:queue:{queue}", job_id)
    return job_id.decode(errors="replace")

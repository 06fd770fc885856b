"""What tasks do while things break: each tells the witness when it begins, and when it ends if it does."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from msgspec import Struct

from app.task_types import TaskContext, task_type
from tests.sight import write_sight

FOR_EVER_S = 600.0
MEMORY = 64 << 20
PIECE = 4 << 20


class Seen(Struct, forbid_unknown_fields=True):
    """The witness' file, the number of the request that made the task, how long to sleep."""

    file: str
    serial: int
    seconds: float = 0.0


def _run(context: TaskContext, payload: Seen) -> int:
    write_sight(payload.file, "began", context.id, context.attempt)
    if payload.seconds:
        time.sleep(payload.seconds)
    write_sight(payload.file, "ended", context.id, context.attempt)
    return context.attempt


@task_type("brief", payload=Seen)
def brief(context: TaskContext, payload: Seen) -> int:
    """Nothing else."""
    return _run(context, payload)


@task_type("long", payload=Seen, timeout_s=20)
def long(context: TaskContext, payload: Seen) -> int:
    """Sleep."""
    return _run(context, payload)


@task_type("threaded", payload=Seen, isolation="thread", timeout_s=20)
def threaded(context: TaskContext, payload: Seen) -> int:
    """Sleep in a thread of the worker."""
    return _run(context, payload)


@task_type("stumble", payload=Seen, max_attempts=3)
def stumble(context: TaskContext, payload: Seen) -> int:
    """Fail in every attempt but the last."""
    write_sight(payload.file, "began", context.id, context.attempt)
    if context.attempt < context.max_attempts:
        raise RuntimeError(f"attempt {context.attempt}")
    write_sight(payload.file, "ended", context.id, context.attempt)
    return context.attempt


@task_type("hang", payload=Seen, timeout_s=1)
def hang(context: TaskContext, payload: Seen) -> None:
    """Sleep far beyond the timeout, whatever is raised."""
    write_sight(payload.file, "began", context.id, context.attempt)
    time.sleep(FOR_EVER_S)


@task_type("crash", payload=Seen)
def crash(context: TaskContext, payload: Seen) -> None:
    """Take the process down."""
    write_sight(payload.file, "began", context.id, context.attempt)
    os.kill(os.getpid(), signal.SIGKILL)


@task_type("glutton", payload=Seen)
def glutton(context: TaskContext, payload: Seen) -> None:
    """Eat memory up to a limit of its own, and die of it as if the kernel had run out."""
    write_sight(payload.file, "began", context.id, context.attempt)
    statm = Path("/proc/self/statm")
    if statm.exists():
        has = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + MEMORY, resource.RLIM_INFINITY))
    try:
        _eaten = [bytearray(PIECE) for _ in range(2 * MEMORY // PIECE)]
    finally:
        os.kill(os.getpid(), signal.SIGKILL)

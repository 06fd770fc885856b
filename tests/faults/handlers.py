"""What tasks do while things break: each tells the witness when it begins, and when it ends if it does."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from msgspec import Struct

from punctual import Context, task
from tests.sight import write_sight

FOR_EVER_S = 600.0
MEMORY = 64 << 20
PIECE = 4 << 20


class Seen(Struct, forbid_unknown_fields=True):
    """The witness' file, the number of the request that made the task, how long to sleep."""

    file: str
    serial: int
    seconds: float = 0.0


def _run(payload: Seen, context: Context) -> int:
    write_sight(payload.file, "began", context.id, context.attempt)
    if payload.seconds:
        time.sleep(payload.seconds)
    write_sight(payload.file, "ended", context.id, context.attempt)
    return context.attempt


@task
def brief(payload: Seen, context: Context) -> int:
    """Nothing else."""
    return _run(payload, context)


@task(timeout_s=20)
def long(payload: Seen, context: Context) -> int:
    """Sleep."""
    return _run(payload, context)


@task(isolation="thread", timeout_s=20)
def threaded(payload: Seen, context: Context) -> int:
    """Sleep in a thread of the worker."""
    return _run(payload, context)


@task(max_attempts=3)
def stumble(payload: Seen, context: Context) -> int:
    """Fail in every attempt but the last."""
    write_sight(payload.file, "began", context.id, context.attempt)
    if context.attempt < context.max_attempts:
        raise RuntimeError(f"attempt {context.attempt}")
    write_sight(payload.file, "ended", context.id, context.attempt)
    return context.attempt


@task(timeout_s=1)
def hang(payload: Seen, context: Context) -> None:
    """Sleep far beyond the timeout, whatever is raised."""
    write_sight(payload.file, "began", context.id, context.attempt)
    time.sleep(FOR_EVER_S)


@task
def crash(payload: Seen, context: Context) -> None:
    """Take the process down."""
    write_sight(payload.file, "began", context.id, context.attempt)
    os.kill(os.getpid(), signal.SIGKILL)


@task
def glutton(payload: Seen, context: Context) -> None:
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

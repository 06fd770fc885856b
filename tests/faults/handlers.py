"""Task types of the fault tests; each handler records in the witness file that it starts, and that it ends."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from msgspec import Struct

from punctual import Context, task
from tests.sight import write_sight

HANG_S = 600.0
MEMORY_LIMIT = 64 << 20
CHUNK_BYTES = 4 << 20


class Seen(Struct, forbid_unknown_fields=True):
    """The witness file, the number of the request that created the task, the file to wait for, the time to sleep."""

    file: str
    serial: int
    until: str = ""
    seconds: float = 0.0


def _run(payload: Seen, context: Context) -> int:
    write_sight(payload.file, "began", context.id, context.attempt)
    while payload.until and not Path(payload.until).exists():
        time.sleep(0.02)
    if payload.seconds:
        time.sleep(payload.seconds)
    write_sight(payload.file, "ended", context.id, context.attempt)
    return context.attempt


@task
def brief(payload: Seen, context: Context) -> int:
    """Do nothing else."""
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
    """Sleep far beyond the timeout."""
    write_sight(payload.file, "began", context.id, context.attempt)
    time.sleep(HANG_S)


@task
def crash(payload: Seen, context: Context) -> None:
    """Kill the process."""
    write_sight(payload.file, "began", context.id, context.attempt)
    os.kill(os.getpid(), signal.SIGKILL)


@task
def glutton(payload: Seen, context: Context) -> None:
    """Allocate memory up to a limit, and then die as if the kernel had killed the process."""
    write_sight(payload.file, "began", context.id, context.attempt)
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_LIMIT, resource.RLIM_INFINITY))
    try:
        _used = [bytearray(CHUNK_BYTES) for _ in range(2 * MEMORY_LIMIT // CHUNK_BYTES)]
    finally:
        os.kill(os.getpid(), signal.SIGKILL)

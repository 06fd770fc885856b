"""The task types of the benchmarks. Like those of the peers, handlers append one record and do nothing else."""

from __future__ import annotations

import time

from benchmarks.records import note
from punctual import Context, task


@task(timeout_s=10)
def bench(context: Context) -> None:
    """Append a record in a child process."""
    note(context.id)


@task(timeout_s=10, isolation="thread")
def bench_thread(context: Context) -> None:
    """Append a record in a thread of the worker."""
    note(context.id)


@task(timeout_s=10)
def nap() -> None:
    """Sleep 50 ms."""
    time.sleep(0.05)


@task(timeout_s=10)
def doze(context: Context) -> None:
    """Sleep 5 ms."""
    note(context.id)
    time.sleep(0.005)

"""What the tasks of the benchmarks do: the same as those of the peers, one appended record, and nothing else."""

from __future__ import annotations

import time

from benchmarks.records import note
from punctual import Context, task


@task(timeout_s=10)
def bench(context: Context) -> None:
    """In a process that can be killed."""
    note(context.id)


@task(timeout_s=10, isolation="thread")
def bench_thread(context: Context) -> None:
    """In a thread of the worker."""
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

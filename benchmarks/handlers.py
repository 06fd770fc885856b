"""What the tasks of the benchmarks do: the same as those of the peers, one appended record, and nothing else."""

from __future__ import annotations

import time

from app.task_types import TaskContext, task_type
from benchmarks.records import note


@task_type("bench", timeout_s=10)
def bench(context: TaskContext, _payload: dict[str, object]) -> None:
    """In a process that can be killed."""
    note(context.id)


@task_type("bench_thread", timeout_s=10, isolation="thread")
def bench_thread(context: TaskContext, _payload: dict[str, object]) -> None:
    """In a thread of the worker."""
    note(context.id)


@task_type("nap", timeout_s=10)
def nap(_context: TaskContext, _payload: dict[str, object]) -> None:
    """Sleep 50 ms."""
    time.sleep(0.05)


@task_type("doze", timeout_s=10)
def doze(context: TaskContext, _payload: dict[str, object]) -> None:
    """Sleep 5 ms."""
    note(context.id)
    time.sleep(0.005)

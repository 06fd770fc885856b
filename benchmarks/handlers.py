"""What the tasks of the benchmarks do: the same as those of the peers, one appended record, and nothing else."""

from __future__ import annotations

import os
import time

from app.task_types import TaskContext, task_type

RECORDS = "BENCH_RECORDS"  # a folder; each process appends to a file of its own there
_files: dict[int, int] = {}


def _record(context: TaskContext) -> None:
    pid = os.getpid()
    if pid not in _files:
        _files[pid] = os.open(f"{os.environ[RECORDS]}/{pid}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(_files[pid], bytes.fromhex(context.id.replace("-", "")))


@task_type("bench", timeout_s=10)
def bench(context: TaskContext, _payload: dict[str, object]) -> None:
    """In a process that can be killed."""
    _record(context)


@task_type("bench_thread", timeout_s=10, isolation="thread")
def bench_thread(context: TaskContext, _payload: dict[str, object]) -> None:
    """In a thread of the worker."""
    _record(context)


@task_type("nap", timeout_s=10)
def nap(_context: TaskContext, _payload: dict[str, object]) -> None:
    """Sleep 50 ms."""
    time.sleep(0.05)


@task_type("doze", timeout_s=10)
def doze(context: TaskContext, _payload: dict[str, object]) -> None:
    """Sleep 5 ms."""
    _record(context)
    time.sleep(0.005)

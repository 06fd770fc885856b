"""The code of a slot: runs the tasks of a chunk one at a time, and reports how each ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from app.config import read_settings
from app.logs import configure_logs
from app.task_types import TaskTypes, load_task_types
from workers.pool import execution
from workers.pool.protocol import TOKEN_BYTES, Done, Ended, decode_chunk, decode_token, line

if TYPE_CHECKING:
    from app.task import Claim
    from workers.pool.shared import Progress, RunLease

PR_SET_PDEATHSIG = 1
DONE = line(Done())


def child_process(
    tasks: Connection, tokens: Connection, events: Connection, lease: RunLease, progress: Progress
) -> None:
    """Run chunks in a child process until the pool closes the pipe, the worker dies or the lease expires."""
    os.setsid()  # a process group, so that a kill includes processes that the handler started
    _die_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the worker decides when the children stop
    lease.exit_when_expired()
    signal.signal(signal.SIGCONT, lambda *_: lease.exit_if_expired())
    settings = read_settings()
    configure_logs(settings, process="slot")
    serve(tasks, tokens, events, lease, progress, load_task_types(settings))
    os.killpg(os.getpid(), signal.SIGTERM)  # ends processes that handlers left; this one ignores the signal


def serve(  # noqa: PLR0917  # called with positional arguments, as the target of a thread
    tasks: Connection, tokens: Connection, events: Connection, lease: RunLease, progress: Progress, types: TaskTypes
) -> None:
    """Run chunk after chunk until the pool closes the pipe."""
    while True:
        try:
            chunk = decode_chunk(tasks.recv_bytes())
        except (EOFError, OSError):
            return
        _run_chunk(chunk, tokens.fileno(), events.fileno(), lease=lease, progress=progress, types=types)


def _run_chunk(
    chunk: list[Claim], tokens: int, events: int, *, lease: RunLease, progress: Progress, types: TaskTypes
) -> None:
    """Run the tasks whose tokens are in the pipe, while the lease covers them.

    The pool withdraws a task by reading its token. The kernel gives each token to one reader, so a task either begins
    here or is withdrawn, never both. All claims of a chunk come from one statement, so the lease covers all or none.
    """
    pid, last = os.getpid(), len(chunk) - 1
    while lease.covers(chunk[0]) and (token := _take_token(tokens)):
        position = decode_token(token)
        claim = chunk[position]
        progress.begin(position)
        began = time.perf_counter()
        result = execution.run(claim, types, may_begin=partial(lease.covers, claim))
        took_ms = (time.perf_counter() - began) * 1000
        if os.getpid() != pid:  # the handler forked, and this is its child, which must not write events
            os._exit(0)
        ended = line(Ended(position, took_ms, result))
        if position == last:
            _write(events, ended + DONE)
            return
        _write(events, ended)
    _write(events, DONE)


def _take_token(tokens: int) -> bytes | None:
    """Return the token of the next task; None or empty if there is none or the pool has closed the pipe."""
    try:
        return os.read(tokens, TOKEN_BYTES)
    except BlockingIOError:
        return None


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux). Elsewhere it ends when the pipe closes."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)

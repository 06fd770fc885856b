"""The inside of a slot: takes the tasks of a chunk one at a time, says what began and how it ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from app.config import read_settings
from app.logs import configure_logs
from app.task_types import TaskTypes, load_task_types
from workers.slots import execution
from workers.slots.protocol import Done, Ended, decode_chunk, line

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from app.task import Claim
    from workers.slots.permit import Permit
    from workers.slots.progress import Progress

PR_SET_PDEATHSIG = 1
DONE = line(Done())


def child_process(
    tasks: Connection, tokens: Connection, events: Connection, permit: Permit, progress: Progress
) -> None:
    """The main function of a child process."""
    os.setsid()  # a group of its own: killing it takes what the handler started along
    _die_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the worker decides when we stop
    permit.end_with_it()
    signal.signal(signal.SIGCONT, lambda *_: permit.end_if_over())
    settings = read_settings()
    configure_logs(settings, process="slot")
    serve(tasks, tokens, events, permit, progress, load_task_types(settings))
    os.killpg(os.getpid(), signal.SIGTERM)  # what handlers left running ends with us; we ourselves do not mind


def serve(  # noqa: PLR0917  # as a thread's and a process' target it takes what it needs in order
    tasks: Connection, tokens: Connection, events: Connection, permit: Permit, progress: Progress, types: TaskTypes
) -> None:
    """Run chunk after chunk until the other side closes its end."""
    while True:
        try:
            chunk = decode_chunk(tasks.recv_bytes())
        except (EOFError, OSError):
            return
        _run_chunk(chunk, tokens.fileno(), events.fileno(), permit=permit, progress=progress, types=types)


def _run_chunk(
    chunk: list[Claim], tokens: int, events: int, *, permit: Permit, progress: Progress, types: TaskTypes
) -> None:
    """Each task needs a permit that covers it, and a token from the pipe.

    The worker withdraws tasks by reading the tokens itself. The kernel gives each token to one reader, so a task is
    begun here or given back there, never both.
    """
    pid, last = os.getpid(), len(chunk) - 1
    for index, claim in enumerate(chunk):
        if not permit.covers(claim) or not _take_token(tokens):
            break
        progress.begin(index)
        began = time.perf_counter()
        ending = execution.run(claim, types, may_begin=partial(permit.covers, claim))
        took_ms = (time.perf_counter() - began) * 1000
        if os.getpid() != pid:  # the handler forked, and this is the copy: it must not speak for us
            os._exit(0)
        ended = line(Ended(index, took_ms, ending.result, ending.error))
        if index == last:
            _write(events, ended + DONE)
            return
        _write(events, ended)
    _write(events, DONE)


def _take_token(tokens: int) -> bool:
    try:
        return len(os.read(tokens, 1)) == 1
    except BlockingIOError:
        return False


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _die_with_parent() -> None:
    """On Linux the kernel kills us when our parent dies; elsewhere we end when its pipe closes."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)

"""The process that forks the children of one worker.

A failed start is answered with its error and does not affect running children. The fork server of the standard library
ends at the first failed start, together with its children, and listens at a path under TMPDIR that may be deleted. This
one uses an inherited socket. After the connection is closed it waits for its last child. It is killed when its worker
dies.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from multiprocessing.connection import Connection
from typing import NamedTuple

from app.errors import BadTaskType, InvalidSetting
from app.signals import die_with_parent
from workers.pool.protocol import NotReady, Progress, RunLease, encode_events
from workers.pool.shared_memory import SharedMemory

REQUEST = struct.Struct("<qq")  # the number of the start, the cell of the shared memory; with FDS descriptors
REPLY = struct.Struct("<qqq")  # the number of the start, a Reply, its value
FDS = 3
MAX_MESSAGE = 300


class Reply(IntEnum):
    """What the fork server reports, and the meaning of the value."""

    READY = 0  # it has imported the modules; no value
    STARTED = 1  # the child's process id
    FAILED = 2  # the error number
    EXITED = 3  # the exit status, negative for a signal


class Start(NamedTuple):
    """One child to be started: the cell for its progress; its ends of the pipes for chunks, tokens and events."""

    number: int
    cell: int
    pipes: Sequence[int]


def main(control: int, memory: int, cells: int, files: int, modules: Sequence[str]) -> None:
    """Fork children until the worker closes the control socket; in each child, run tasks.

    `files` is the soft limit of open files for the children.
    """
    die_with_parent()
    # A platform that stops a service sends SIGTERM to every process. The children must finish their tasks.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    shared = SharedMemory(cells, fd=memory)
    for each in ("workers.pool.child", *modules):
        with suppress(BaseException):  # each child imports them, too, and reports the error
            importlib.import_module(each)
    gc.collect()
    gc.freeze()  # so that garbage collections in the children do not copy shared pages
    with socket.socket(fileno=control) as channel:
        start = ForkServer(channel).serve()
    if start is not None:
        _run(start, shared)


class ForkServer:
    """Forks a child for each request, and reports when each ends."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._numbers: dict[int, int] = {}  # of starts, by process id

    def serve(self) -> Start | None:
        """Serve until the connection is closed and the last child has ended. In each child, return its start."""
        woken, wake = os.pipe()
        for each in (woken, wake):
            os.set_blocking(each, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._report(0, Reply.READY, 0)
        with selectors.DefaultSelector() as selector:
            selector.register(woken, selectors.EVENT_READ)
            selector.register(self._control, selectors.EVENT_READ)
            is_open = True
            while is_open or self._numbers:
                ready = {key.fileobj for key, _ in selector.select()}
                if woken in ready:
                    os.read(woken, 4096)
                    self._reap()
                if self._control in ready:
                    start = self._receive()
                    if start is None:
                        is_open = False
                        selector.unregister(self._control)
                    elif self._fork(start):
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        for each in (woken, wake):
                            os.close(each)
                        return start
        return None

    def _receive(self) -> Start | None:
        """Return the next request; None when the worker has closed the connection."""
        try:
            data, pipes, _, _ = socket.recv_fds(self._control, REQUEST.size, FDS)
        except OSError:
            return None
        if len(data) < REQUEST.size:
            return None
        number, cell = REQUEST.unpack(data)
        return Start(number, cell, pipes)

    def _fork(self, start: Start) -> bool:
        """Fork a child; return whether this is the child."""
        failure = errno.EMFILE if len(start.pipes) < FDS else 0  # the kernel drops those beyond the limit
        if not failure:
            try:
                pid = os.fork()
            except (OSError, MemoryError) as error:
                failure = getattr(error, "errno", None) or errno.ENOMEM
            else:
                if pid == 0:
                    return True
                self._numbers[pid] = start.number
        for each in start.pipes:
            os.close(each)
        self._report(start.number, Reply.FAILED if failure else Reply.STARTED, failure or pid)
        return False

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if (number := self._numbers.pop(pid, None)) is not None:
                    self._report(number, Reply.EXITED, os.waitstatus_to_exitcode(status))

    def _report(self, number: int, reply: Reply, value: int) -> None:
        with suppress(OSError):  # the worker has closed the connection
            self._control.sendall(REPLY.pack(number, reply, value))


def _run(start: Start, shared: SharedMemory) -> None:
    """Run a child until the worker closes its pipe or replaces it. Then the interpreter exits normally."""
    from workers.pool.child import child_process  # noqa: PLC0415  # what it imports may fail

    tasks, tokens, events = start.pipes
    for each in start.pipes:
        os.set_inheritable(each, False)
    try:
        child_process(
            Connection(tasks, writable=False),
            Connection(tokens, writable=False),
            Connection(events, readable=False),
            RunLease(shared),
            Progress(shared, start.cell),
        )
    except BaseException as error:  # noqa: BLE001  # users' modules may raise anything
        traceback.print_exc()
        with suppress(OSError):
            os.write(events, encode_events([NotReady(_safe_message(error))]))
        sys.exit(1)


def _safe_message(error: BaseException) -> str:
    """Return a message that clients may see. Errors that a module raises may contain addresses or passwords."""
    cause = error.__cause__
    if isinstance(error, BadTaskType) and cause is not None and not isinstance(cause, ImportError):
        return type(cause).__name__
    text = f": {error}" if isinstance(error, BadTaskType | InvalidSetting) else ""
    return f"{type(error).__name__}{text}"[:MAX_MESSAGE]

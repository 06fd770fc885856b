"""The worker's side of a fork server: requests children, and receives the result of each start and each exit."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from workers.pool.fork_server import REPLY, REQUEST, Reply

if TYPE_CHECKING:
    from workers.pool.shared_memory import SharedMemory
    from workers.pool.slot import ProcessSlot

FORK_LIMIT_S = 5.0
READ_BYTES = 1 << 16
POLL_S = 0.002


class Children:
    """A fork server and the slots of its children. All methods but `end` run in the supervisor's thread.

    It must be created in a thread that lives as long as the worker: Linux sends the parent-death signal when the thread
    that started the process ends.
    """

    def __init__(self, memory: SharedMemory, modules: Sequence[str], *, files: int) -> None:
        """Start the fork server. Raises OSError."""
        self.has_ended = self.is_retired = False
        self.is_importing = True
        self.started_at = time.monotonic()
        self._slots: dict[int, ProcessSlot] = {}
        self._asked_at: dict[int, float] = {}  # of starts without an answer
        self._rest = b""
        self._last_number = 0
        self._control, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _launch(theirs.fileno(), memory, files, modules)
        except BaseException:
            self._control.close()
            raise
        self._control.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there is something to receive."""
        return self._control.fileno()

    def start(self, slot: ProcessSlot, pipes: Sequence[int], cell: int) -> None:
        """Request a child. `receive` reads its process id, or why it was not started, later.

        Raises:
            OSError: the fork server has ended, or does not read.
        """
        self._last_number += 1
        socket.send_fds(self._control, [REQUEST.pack(self._last_number, cell)], pipes)
        self._slots[self._last_number] = slot
        self._asked_at[self._last_number] = time.monotonic()

    def receive(self) -> list[ProcessSlot]:
        """Read all replies; return the slots whose child could not be started or has ended."""
        over: list[ProcessSlot] = []
        for number, reply, value in self._replies():
            if reply == Reply.READY:
                self.is_importing = False
                self._asked_at.update(dict.fromkeys(self._asked_at, time.monotonic()))
                continue
            self._asked_at.pop(number, None)
            slot = self._slots.get(number)
            if slot is None:  # `retire` has given it up
                continue
            if reply == Reply.STARTED:
                slot.pid = value
                continue
            if reply == Reply.FAILED:
                slot.failure = f"cannot fork: {os.strerror(value)}"
            else:
                slot.exit_code = value
            over.append(self._slots.pop(number))
        if self.has_ended:
            for slot in self._slots.values():
                slot.failure = self._end_reason()
            over += self._slots.values()
            self._slots.clear()
            self._asked_at.clear()
        return over

    def is_stuck(self, now: float) -> bool:
        """Return whether the fork server has imported its modules and does not answer a request in time."""
        return not self.is_importing and any(now - at > FORK_LIMIT_S for at in self._asked_at.values())

    def retire(self) -> list[ProcessSlot]:
        """Start no more children; return the slots without one. The fork server ends when its last child has ended."""
        if not self.is_retired and not self.has_ended:
            self.is_retired = True
            self._control.shutdown(socket.SHUT_WR)
        pending = [self._slots.pop(number) for number in self._asked_at]
        self._asked_at.clear()
        return pending

    def end(self, timeout_s: float) -> None:
        """Wait until the retired fork server has ended; kill it after the timeout. May be called from any thread."""
        try:
            self._process.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the fork server. On Linux its children die with it."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the connection. The fork server must have ended, or been retired."""
        self._control.close()

    def _replies(self) -> Iterator[tuple[int, int, int]]:
        try:
            while data := self._control.recv(READ_BYTES):
                self._rest += data
            self.has_ended = True
        except BlockingIOError:
            pass
        except OSError:
            self.has_ended = True
        whole = len(self._rest) - len(self._rest) % REPLY.size
        yield from REPLY.iter_unpack(self._rest[:whole])
        self._rest = self._rest[whole:]

    def _end_reason(self) -> str:
        doing = " while it imported the modules" if self.is_importing else ""
        return f"the fork server ended{doing}"


def wait_for_exit(pid: int, limit_s: float) -> bool:
    """Wait until a process that need not be a child of this one has ended; return False after the limit."""
    if sys.platform == "linux":
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        except OSError:  # no descriptor is left, or an old kernel
            pass
        else:
            try:
                poll = select.poll()
                poll.register(fd, select.POLLIN)
                return bool(poll.poll(limit_s * 1000))
            finally:
                os.close(fd)
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(POLL_S)
    return False


def _launch(control: int, memory: SharedMemory, files: int, modules: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the fork server in a session of its own, which no signal to the worker's group reaches.

    It is started by `-c`, because `multiprocessing` in a handler would import any other main module again.
    """
    arguments = (control, memory.fd, memory.cells, files, list(modules))
    code = f"import sys; sys.path[:] = {sys.path!r}; from workers.pool.fork_server import main; main(*{arguments!r})"
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001  # as multiprocessing
    return subprocess.Popen(
        [sys.executable, *flags, "-c", code],
        stdin=subprocess.DEVNULL,
        pass_fds=(control, memory.fd),
        start_new_session=True,
    )

"""The pool's side of a slot: gives it a chunk, reads its events, withdraws tasks that have not begun, and kills it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Sequence
from multiprocessing import Pipe
from typing import TYPE_CHECKING

from workers.pool.child import serve
from workers.pool.children import wait_for_exit
from workers.pool.protocol import LENGTH, Ended, LineReader, Progress, decode_tokens, encode_chunk, encode_tokens

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from app.task import Claim
    from app.task_types import TaskTypes
    from workers.pool.children import Children
    from workers.pool.protocol import Event, RunLease
    from workers.pool.shared_memory import SharedMemory

READ_BYTES = 1 << 18
MAX_READS = 16
FEW_TASKS = 4  # a chunk of more tasks is one of short tasks
KILL_LIMIT_S = 5.0
MAX_FILES = 6  # file descriptors of a slot in the worker


class Slot(ABC):
    """Runs one task at a time. Times are monotonic seconds.

    Tasks are named by their position in the `chunk`. `_offered` are the positions whose tokens were put into the pipe
    and not withdrawn, in order; the slot has taken those below `begun`. `_held` are positions whose tokens are out of
    the pipe for a moment. `ended` is the position of the last task that is over, plus one.
    """

    def __init__(self, lease: RunLease, memory: SharedMemory) -> None:
        """Open the pipes, then start the process or thread that serves them.

        Raises:
            OSError, RuntimeError: there is no descriptor, memory or thread left.
        """
        self._lease = lease
        theirs, self._tasks = Pipe(duplex=False)
        self._tokens_out, self._tokens_in = Pipe(duplex=False)
        self._events, their_events = Pipe(duplex=False)
        os.set_blocking(self._tokens_out.fileno(), False)
        os.set_blocking(self._events.fileno(), False)
        os.set_blocking(self._tasks.fileno(), False)
        self._lines = LineReader()
        self._memory, self._cell = memory, memory.allocate()
        self._progress = Progress(memory, self._cell)
        self._outgoing = memoryview(b"")
        self._began_before = False
        self._offered: Sequence[int] = ()
        self._held: list[int] = []
        self.chunk: Sequence[Claim] = ()
        self.ended = 0
        self.abandoned: Claim | None = None  # for a thread: the task that still runs although its outcome was written
        self.last_event_at = 0.0
        self.closed = self.hung_up = False
        try:
            self._start(theirs, self._tokens_out, their_events)
        except BaseException:
            memory.release(self._cell)
            raise

    @abstractmethod
    def _start(self, tasks: Connection, tokens: Connection, events: Connection) -> None:
        """Start the process or thread that serves these pipes."""

    @property
    def events_fd(self) -> int:
        """The file descriptor that becomes readable when there is an event."""
        return self._events.fileno()

    @property
    def ever_began(self) -> bool:
        """Whether any task has begun in this slot."""
        return self._began_before or self.has_begun

    @property
    def has_begun(self) -> bool:
        """Whether any task of the chunk has begun."""
        return self._progress.begun > 0

    def running(self) -> tuple[Claim, float] | None:
        """Return the running claim and when it began, by the events read so far; None if none runs."""
        begun, since = self._progress.read()
        return (self.chunk[begun - 1], since) if begun > self.ended else None

    @property
    def last_ended(self) -> Claim:
        """The claim of the last task of the chunk that is over."""
        return self.chunk[self.ended - 1]

    @property
    def waiting(self) -> int:
        """How many tasks of the chunk have not begun."""
        return len(self._offered) - bisect_left(self._offered, self._progress.begun)

    def not_begun(self) -> list[Claim]:
        """Return the claims of a dead slot that have not begun, including one whose token was taken."""
        first = bisect_left(self._offered, self._progress.begun)
        return [self.chunk[position] for position in self._offered[first:]]

    @property
    def is_streaming(self) -> bool:
        """Whether the slot runs short tasks, and so writes events all the time."""
        return self.waiting > FEW_TASKS

    def give(self, chunk: Sequence[Claim], *, now: float) -> None:
        """Start a chunk, whose claims run in order. Call `send` until all is sent. The slot must be idle.

        Raises:
            OSError: the slot is dead.
        """
        self._began_before = self.ever_began
        self.chunk, self.ended, self.abandoned = chunk, 0, None
        self._offered = range(len(chunk))
        self.last_event_at = now
        self._progress.reset(now)
        os.write(self._tokens_in.fileno(), encode_tokens(self._offered))
        body = encode_chunk(chunk)
        self._outgoing = memoryview(LENGTH.pack(len(body)) + body)
        self.send()

    def send(self) -> None:
        """Send as much of the chunk as the pipe accepts now, so that a stopped reader does not block the pool.

        Raises:
            OSError: the slot is dead.
        """
        with contextlib.suppress(BlockingIOError):
            while self._outgoing:
                self._outgoing = self._outgoing[os.write(self._tasks.fileno(), self._outgoing) :]

    def hold(self) -> None:
        """Take the tokens out of the pipe, so that no task begins until `resume`.

        A slot that finds no token in the meantime reports that its chunk is done.
        """
        with contextlib.suppress(BlockingIOError):
            self._held += decode_tokens(os.read(self._tokens_out.fileno(), READ_BYTES))

    def resume(self) -> None:
        """Put the held tokens back. Not for an idle slot, whose next chunk would get them."""
        os.write(self._tokens_in.fileno(), encode_tokens(self._held))
        self._held.clear()

    def withdraw(self) -> Sequence[Claim]:
        """Withdraw and return all claims that have not begun."""
        self.hold()
        if not self._held:
            return ()
        withdrawn = [self.chunk[position] for position in self._held]
        self._offered = self._offered[: len(self._offered) - len(withdrawn)]  # the waiting tasks are last
        self._held.clear()
        return withdrawn

    def withdraw_task(self, task_id: str) -> Claim | None:
        """Withdraw and return one claim; None if it has begun or is about to begin."""
        self.hold()
        position = next((each for each in self._held if self.chunk[each].id == task_id), None)
        if position is not None:
            self._held.remove(position)
            self._offered = [each for each in self._offered if each != position]
        self.resume()
        return None if position is None else self.chunk[position]

    def read(self, *, now: float) -> list[Event]:
        """Return all events since the last call. A full pipe would block the slot."""
        events: list[Event] = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(MAX_READS):
                data = os.read(self._events.fileno(), READ_BYTES)
                self.hung_up = not data
                if self.hung_up:
                    break
                self.last_event_at = now
                events += self._lines.feed(data)
        for event in reversed(events):  # `Done` may follow the last `Ended`
            if isinstance(event, Ended):
                self.ended = event.position + 1
                break
        return events

    def start_failure(self) -> str:
        """Return why nothing has ever begun in this slot."""
        return "its thread ended"

    @abstractmethod
    def kill(self) -> None:
        """Kill the slot with the task that it runs."""

    def close(self) -> None:
        """Close the pipes, so that the slot ends once it is idle."""
        self.closed = True
        self._memory.release(self._cell)
        for end in (self._tasks, self._tokens_in, self._tokens_out, self._events):
            end.close()

    @abstractmethod
    def end(self, timeout_s: float) -> None:
        """Wait until the closed slot has ended, at most for `timeout_s`."""


class ProcessSlot(Slot):
    """A child process, kept between tasks. SIGKILL to its process group ends any handler.

    `pid` and `exit_code` are set when they are known. `failure` says why the child did not become ready or was lost.
    """

    def __init__(self, lease: RunLease, memory: SharedMemory, children: Children) -> None:
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.is_ready = False
        self.failure = ""
        self._children = children
        super().__init__(lease, memory)

    def _start(self, tasks: Connection, tokens: Connection, events: Connection) -> None:
        self._children.start(self, (tasks.fileno(), tokens.fileno(), events.fileno()), self._cell)
        for end in (tasks, events):
            end.close()  # the child has its own copies

    def kill(self) -> None:
        """Send SIGKILL to the whole process group, and return once the process is gone."""
        if self.pid is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # the child may not have its own group yet
            wait_for_exit(self.pid, KILL_LIMIT_S)

    def end(self, timeout_s: float) -> None:
        """Wait for the process, and kill it after the timeout, because a thread of a handler may keep it running."""
        if self.pid is not None and self.exit_code is None and not wait_for_exit(self.pid, max(0.0, timeout_s)):
            self.kill()

    def start_failure(self) -> str:
        """Return why the child was not ready."""
        return self.failure or f"its child ended with status {self.exit_code} before it was ready"

    def exit_reason(self) -> str:
        """Return a sentence with the signal, the exit status or the reason why the child was lost."""
        code = self.exit_code
        if code is None:
            return f"The process of the handler was lost: {self.failure}."
        if code < 0:
            with contextlib.suppress(ValueError):  # not every number has a name
                return f"The process of the handler was killed by {signal.Signals(-code).name}."
            return f"The process of the handler was killed by signal {-code}."
        return f"The process of the handler exited with status {code}."


class ThreadSlot(Slot):
    """A thread of this process. It cannot be killed, so a timeout is reported while the task still runs."""

    def __init__(self, lease: RunLease, memory: SharedMemory, types: TaskTypes) -> None:
        self._types = types
        super().__init__(lease, memory)

    def _start(self, tasks: Connection, tokens: Connection, events: Connection) -> None:
        arguments = (tasks, tokens, events, self._lease, self._progress, self._types)
        threading.Thread(target=serve, args=arguments, name="slot", daemon=True).start()

    def kill(self) -> None:
        """Do nothing. The pool abandons the running task, and uses the slot again once the thread returns."""

    def end(self, timeout_s: float) -> None:
        """Do nothing. The thread ends by itself, or with the process."""

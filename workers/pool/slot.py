"""The pool's side of a slot: give it a chunk, read its events, withdraw tasks that have not begun, kill it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from multiprocessing import Pipe, get_context
from typing import TYPE_CHECKING

from workers.pool.child import child_process, serve
from workers.pool.protocol import LENGTH, Ended, LineReader, Progress, decode_tokens, encode_chunk, encode_tokens

if TYPE_CHECKING:
    from app.task import Claim
    from app.task_types import TaskTypes
    from workers.pool.protocol import Event, RunLease

READ_BYTES = 1 << 18
MAX_READS = 16
FEW_TASKS = 4  # a chunk of more tasks is one of short tasks


class Slot(ABC):
    """Runs one task at a time. Times are monotonic seconds.

    Tasks are named by their position in the `chunk`. `_offered` are the positions whose tokens were put into the pipe
    and not withdrawn, in order; the slot has taken those below `begun`. `_held` are positions whose tokens are out of
    the pipe for a moment. `ended` is the position of the last task that is over, plus one.
    """

    def __init__(self, lease: RunLease) -> None:
        self._lease = lease
        theirs, self._tasks = Pipe(duplex=False)
        self._tokens_out, self._tokens_in = Pipe(duplex=False)
        self._events, their_events = Pipe(duplex=False)
        os.set_blocking(self._tokens_out.fileno(), False)
        os.set_blocking(self._events.fileno(), False)
        os.set_blocking(self._tasks.fileno(), False)
        self._lines = LineReader()
        self._progress = Progress()
        self._outgoing = memoryview(b"")
        self._began_before = False
        self._offered: Sequence[int] = ()
        self._held: list[int] = []
        self.chunk: Sequence[Claim] = ()
        self.ended = 0
        self.abandoned: Claim | None = None  # for a thread: the task that still runs although its outcome was written
        self.last_event_at = 0.0
        self.closed = self.hung_up = False
        self._start(theirs, self._tokens_out, their_events)

    @abstractmethod
    def _start(self, tasks: object, tokens: object, events: object) -> None:
        """Start the process or thread that serves these pipes."""

    @property
    def sentinel(self) -> int | None:
        """A file descriptor that becomes readable when the process ends; None for a thread."""
        return None

    @property
    def watched(self) -> list[int]:
        """File descriptors that become readable when there is an event or the process ends."""
        return [self._events.fileno()] + ([self.sentinel] if self.sentinel is not None else [])

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

    @abstractmethod
    def kill(self) -> None:
        """Kill the slot with the task that it runs."""

    def close(self) -> None:
        """Close the pipes, so that the slot ends once it is idle."""
        self.closed = True
        for end in (self._tasks, self._tokens_in, self._tokens_out, self._events):
            end.close()

    @abstractmethod
    def end(self, timeout_s: float) -> None:
        """Wait until the closed slot has ended, at most for `timeout_s`."""


class ProcessSlot(Slot):
    """A child process, kept between tasks. SIGKILL to its process group ends any handler."""

    def _start(self, tasks: object, tokens: object, events: object) -> None:
        self.process = get_context("forkserver").Process(
            target=child_process, args=(tasks, tokens, events, self._lease, self._progress)
        )
        self.process.start()
        for end in (tasks, events):
            end.close()  # type: ignore[attr-defined]  # the child has its own copies now

    @property
    def sentinel(self) -> int:
        """A file descriptor that becomes readable when the process ends."""
        return self.process.sentinel

    def kill(self) -> None:
        """Send SIGKILL to the whole process group, and return once the process is gone."""
        pid = self.process.pid
        if pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # the child may not have its own group yet
        self.process.join(5)

    def end(self, timeout_s: float) -> None:
        """Wait for the process, then kill it: a thread that a handler left running keeps it alive."""
        self.process.join(max(0.0, timeout_s))
        if self.process.is_alive():
            self.kill()

    def exit_reason(self) -> str:
        """Return a sentence with the signal or the exit status."""
        code = self.process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):  # not every number has a name
                return f"The process of the handler was killed by {signal.Signals(-code).name}."
            return f"The process of the handler was killed by signal {-code}."
        return f"The process of the handler exited with status {code}."


class ThreadSlot(Slot):
    """A thread of this process. It cannot be killed, so a timeout is reported while the task still runs."""

    def __init__(self, lease: RunLease, types: TaskTypes) -> None:
        self._types = types
        super().__init__(lease)

    def _start(self, tasks: object, tokens: object, events: object) -> None:
        arguments = (tasks, tokens, events, self._lease, self._progress, self._types)
        threading.Thread(target=serve, args=arguments, name="slot", daemon=True).start()

    def kill(self) -> None:
        """Do nothing. The pool abandons the running task, and uses the slot again once the thread returns."""

    def end(self, timeout_s: float) -> None:
        """Do nothing. The thread ends by itself, or with the process."""


def prepare_children(modules: Iterable[str]) -> None:
    """Have the fork server import the handlers once, for all children."""
    get_context("forkserver").set_forkserver_preload(
        ["workers.pool.forkserver_preload", "workers.pool.child", *modules]
    )

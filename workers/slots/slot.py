"""A slot seen from outside: give it a chunk, read what it says, withdraw what has not begun, kill it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from abc import ABC, abstractmethod
from multiprocessing import Pipe, get_context
from typing import TYPE_CHECKING

from workers.slots.child import child_process, serve
from workers.slots.progress import Progress
from workers.slots.protocol import LENGTH, Done, Event, LineReader, encode_chunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.task import Claim
    from app.task_types import TaskTypes
    from workers.slots.permit import Permit

READ_AT_ONCE = 1 << 18
MOST_READS = 16
FEW = 4  # tasks: more of them in a chunk are short ones


class Slot(ABC):
    """One place to run tasks in, one after another. Times are monotonic seconds.

    `given` is how many of the `chunk` are not withdrawn, `ended` how many are known to be over.
    """

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
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
        self.chunk: Sequence[Claim] = ()
        self.given = self.ended = 0
        self.timed_out: int | None = None  # of a thread: the task whose outcome was written while it goes on
        self.heard_at = 0.0
        self.closed = self.hung_up = False
        self._start(theirs, self._tokens_out, their_events)

    @abstractmethod
    def _start(self, tasks: object, tokens: object, events: object) -> None:
        """Have somebody run chunks from these pipes; the kinds of slot differ in who does, and how it is stopped."""

    @property
    def sentinel(self) -> int | None:
        """The file descriptor that becomes readable when it is gone, if there is one."""
        return None

    @property
    def watched(self) -> list[int]:
        """File descriptors that become readable when there is something to read, or it is gone."""
        return [self._events.fileno()] + ([self.sentinel] if self.sentinel is not None else [])

    @property
    def begun(self) -> int:
        """How many tasks of the chunk have begun."""
        return self._progress.begun

    @property
    def ever_began(self) -> bool:
        """Whether any task has begun in it."""
        return self._began_before or self.begun > 0

    def running(self) -> tuple[int, float] | None:
        """The position in the chunk of the task that runs, as far as is heard, and when it began; None: none does."""
        begun, since = self._progress.look()
        return (begun - 1, since) if begun > self.ended else None

    @property
    def waiting(self) -> int:
        """How many tasks of the chunk have not begun."""
        return self.given - self.begun

    @property
    def is_streaming(self) -> bool:
        """Whether it runs short tasks, and says something all the time."""
        return self.waiting > FEW

    def give(self, chunk: Sequence[Claim], *, now: float) -> None:
        """Run these, in order; `send` as long as there is something to send. The slot must be idle.

        Raises:
            OSError: it is dead.
        """
        self._began_before = self.ever_began
        self.chunk, self.given, self.ended, self.timed_out = chunk, len(chunk), 0, None
        self.heard_at = now
        self._progress.reset(now)
        os.write(self._tokens_in.fileno(), b"." * len(chunk))
        body = encode_chunk(chunk)
        self._outgoing = memoryview(LENGTH.pack(len(body)) + body)
        self.send()

    def send(self) -> None:
        """Send what the pipe takes of the chunk now; a stopped reader never holds up the watch.

        Raises:
            OSError: it is dead.
        """
        with contextlib.suppress(BlockingIOError):
            while self._outgoing:
                self._outgoing = self._outgoing[os.write(self._tasks.fileno(), self._outgoing) :]

    def withdraw(self) -> Sequence[Claim]:
        """Take back what has not begun: it will not begin here."""
        with contextlib.suppress(BlockingIOError):
            taken = len(os.read(self._tokens_out.fileno(), READ_AT_ONCE))
            withdrawn = self.chunk[self.given - taken : self.given]
            self.given -= taken
            return withdrawn
        return ()

    def read(self, *, now: float) -> list[Event]:
        """What it said since the last time: all of it, or who says much would wait for us."""
        events: list[Event] = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST_READS):
                said = os.read(self._events.fileno(), READ_AT_ONCE)
                self.hung_up = not said
                if self.hung_up:
                    break
                self.heard_at = now
                events += self._lines.feed(said)
        if events:  # the last thing it says of a chunk is that it is done
            self.ended += len(events) - isinstance(events[-1], Done)
        return events

    @abstractmethod
    def kill(self) -> None:
        """End it now, with whatever it runs."""

    def close(self) -> None:
        """Let it end when it is idle; give the pipes back."""
        self.closed = True
        for end in (self._tasks, self._tokens_in, self._tokens_out, self._events):
            end.close()

    @abstractmethod
    def end(self, timeout_s: float) -> None:
        """Give it so long to end, closed as it is."""


class ProcessSlot(Slot):
    """A child process, kept between tasks; SIGKILL to its group ends any handler, whatever it does."""

    def _start(self, tasks: object, tokens: object, events: object) -> None:
        self.process = get_context("forkserver").Process(
            target=child_process, args=(tasks, tokens, events, self._permit, self._progress)
        )
        self.process.start()
        for end in (tasks, events):
            end.close()  # type: ignore[attr-defined]  # the child has its own copies now

    @property
    def sentinel(self) -> int:
        """Becomes readable when the process is gone."""
        return self.process.sentinel

    def kill(self) -> None:
        """SIGKILL to the whole group; returns once it is gone."""
        pid = self.process.pid
        if pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # in the instant before it has a group of its own
        self.process.join(5)

    def end(self, timeout_s: float) -> None:
        """Give it so long to end, closed as it is; then kill it: a thread that a handler left running keeps it."""
        self.process.join(max(0.0, timeout_s))
        if self.process.is_alive():
            self.kill()

    def how_it_died(self) -> str:
        """Its end in words."""
        code = self.process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):  # not every number has a name
                return f"The process of the handler was killed by {signal.Signals(-code).name}."
            return f"The process of the handler was killed by signal {-code}."
        return f"The process of the handler exited with status {code}."


class ThreadSlot(Slot):
    """A thread of this process; it cannot be killed, only no longer listened to."""

    def __init__(self, permit: Permit, types: TaskTypes) -> None:
        self._types = types
        super().__init__(permit)

    def _start(self, tasks: object, tokens: object, events: object) -> None:
        arguments = (tasks, tokens, events, self._permit, self._progress, self._types)
        threading.Thread(target=serve, args=arguments, name="slot", daemon=True).start()

    def kill(self) -> None:
        """Nothing can be done; the supervisor leaves it alone until it comes back."""

    def end(self, timeout_s: float) -> None:
        """It ends by itself, or with the process."""


def prepare_children(modules: Iterable[str]) -> None:
    """Have the process that forks children import the handlers once, for all of them."""
    get_context("forkserver").set_forkserver_preload(["workers.slots.nursery", "workers.slots.child", *modules])

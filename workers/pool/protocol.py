"""The protocol between the pool and a slot: messages in pipes, and shared memory.

There are three pipes: chunks of claims to the slot, one token for each task of a chunk (its position), and events from
the slot. The run lease and the progress of the slot in its chunk are in shared memory.
"""

from __future__ import annotations

import math
import os
import signal
import struct
import sys
import threading
import time
from array import array
from collections.abc import Iterable

import msgspec

from app.clock import now
from app.task import Claim
from workers.pool.shared_memory import SharedMemory

_read, _monotonic = os.read, time.monotonic  # a handler may replace those of the modules

LENGTH = struct.Struct(">I")
TOKEN_BYTES = 2
POLL_S = 0.25


class Failure(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Why an attempt failed: the type of the error, and a message for people."""

    type: str
    message: str


class Ended(msgspec.Struct, tag="e", array_like=True, frozen=True, gc=False):
    """A task of the chunk, named by its position, is over: its result as JSON text, or why it failed."""

    position: int
    took_ms: float
    result: str | Failure


class Ready(msgspec.Struct, tag="r", array_like=True, frozen=True, gc=False):
    """The child has imported the handlers and waits for its first chunk."""


class NotReady(msgspec.Struct, tag="n", array_like=True, frozen=True, gc=False):
    """The child cannot run tasks, and ends."""

    message: str


class Done(msgspec.Struct, tag="d", array_like=True, frozen=True, gc=False):
    """The chunk is over. Tasks that have not begun were withdrawn, or are not covered by the run lease.

    `replace` is why the child must be replaced, as a clause about its last task. The child takes no further chunk and
    ends.
    """

    replace: str | None = None


Event = Ended | Done | Ready | NotReady

encode_events = msgspec.json.Encoder().encode_lines  # JSON escapes line ends in texts
_decode_lines = msgspec.json.Decoder(Event).decode_lines
encode_chunk = msgspec.msgpack.Encoder().encode
decode_chunk = msgspec.msgpack.Decoder(list[Claim]).decode


def encode_tokens(positions: Iterable[int]) -> bytes:
    """Return the tokens of these positions. Readers read whole tokens only, so a pipe gives each to one reader."""
    return array("H", positions).tobytes()


def decode_tokens(tokens: bytes) -> array[int]:
    """Return the positions of these tokens."""
    return array("H", tokens)


def take_token(tokens: int) -> int | None:
    """Read a token; return its position, or None if there is no token or the pool has closed the pipe."""
    try:
        token = _read(tokens, TOKEN_BYTES)
    except BlockingIOError:
        return None
    return int.from_bytes(token, sys.byteorder) if token else None


class LineReader:
    """Splits a stream of bytes into events. An unfinished line of a killed writer is not an event."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """Add bytes; return the events that are complete now."""
        whole, end, rest = data.rpartition(b"\n")
        if not end:
            self._rest += rest
            return []
        lines, self._rest = self._rest + whole, rest
        return _decode_lines(lines)


class RunLease:
    """The permission to run tasks, which the worker renews while its heartbeats succeed.

    It is in shared memory because a frozen worker cannot send messages. It has two instants: when it expires, and
    before which claims are void. Both are seconds by `app.clock.now`, a clock that all processes of a machine share.
    """

    CELL = 0  # of the shared memory

    def __init__(self, memory: SharedMemory) -> None:
        """Use the lease in this memory. The worker that created the memory has to call `begin` first."""
        self._expires_at, self._void_before = memory.float(self.CELL, 0), memory.float(self.CELL, 1)

    @classmethod
    def begin(cls, memory: SharedMemory) -> RunLease:
        """Create the lease in new memory. It does not expire until it has been renewed once."""
        if memory.allocate() != cls.CELL:
            raise ValueError("the run lease must have the first cell of the memory")
        lease = cls(memory)
        lease._expires_at.value, lease._void_before.value = math.inf, -math.inf
        return lease

    def renew(self, expires_at: float) -> None:
        """Let the children run tasks until `expires_at`."""
        self._expires_at.value = expires_at

    def revoke(self) -> None:
        """Make all claims so far void, because other workers may hold their tasks by now."""
        self._void_before.value = now()

    def covers(self, claim: Claim) -> bool:
        """Return whether the code of this claim may begin."""
        return claim.asked_at > self._void_before.value and now() < self._expires_at.value

    @property
    def is_expired(self) -> bool:
        """Whether no task may run any more."""
        return now() >= self._expires_at.value

    def exit_when_expired(self) -> None:
        """In a child, start a thread that kills the process once the lease has expired.

        It cannot run while a handler holds the GIL in C code.
        """
        threading.Thread(target=self._watch, name="run-lease", daemon=True).start()

    def exit_if_expired(self) -> None:
        """In a child, send SIGKILL to its own process group if the lease has expired."""
        if self.is_expired:
            os.killpg(os.getpid(), signal.SIGKILL)

    def _watch(self) -> None:
        # SIGCONT must reach the main thread, whose handler checks the lease before the task continues. The loop does
        # not use `app.loop.repeat`, because that would import a Redis client into each child.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
        while True:
            self.exit_if_expired()
            time.sleep(POLL_S)


class Progress:
    """The task that a slot runs. The slot writes it just before a task begins, so that it is known after a kill."""

    def __init__(self, memory: SharedMemory, cell: int) -> None:
        self._begun, self._since = memory.integer(cell, 0), memory.float(cell, 1)

    @property
    def begun(self) -> int:
        """The position of the last task that has begun, plus one; 0 if none has."""
        return int(self._begun.value)

    def read(self) -> tuple[int, float]:
        """Return `begun` and when that task began (monotonic seconds), both of the same task."""
        while True:
            begun, since = int(self._begun.value), float(self._since.value)
            if begun == self._begun.value:
                return begun, since

    def reset(self, at: float) -> None:
        """Start over with a new chunk."""
        self._begun.value, self._since.value = 0, at

    def begin(self, position: int) -> None:
        """Record that the code of this task begins now. The time is written before the position that refers to it."""
        self._since.value = _monotonic()
        self._begun.value = position + 1

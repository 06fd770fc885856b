"""The output of handlers: each line is written whole, however many processes and threads write.

This covers `sys.stdout` and `sys.stderr`, not subprocesses of a handler nor code that writes to the descriptors.
"""

from __future__ import annotations

import fcntl
import io
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

MAX_HELD = 64 * 1024
MAX_BLOCKED_S = 5.0
TURN_S = 0.01
MAX_TURNS = 100


class LineWriter(io.BufferedIOBase):
    """Writes whole lines to a descriptor. The unfinished line of each thread is held until its end is written.

    A line that is longer than MAX_HELD is split. Errors are ignored: lost output is no reason to fail a task.
    """

    mode = "wb"

    def __init__(self, descriptor: int, replaced: TextIO) -> None:
        self._descriptor = descriptor
        self._replaced = replaced  # which would close the descriptor when it is collected
        self.name = getattr(replaced, "name", f"<{descriptor}>")
        self._held: dict[int, bytes] = {}
        self._turns = self._open_turns()
        self._is_whole = True
        os.register_at_fork(after_in_child=self._pass_through)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        with suppress(OSError):
            return os.isatty(self._descriptor)
        return False

    def close(self) -> None:
        """Do nothing, as in LineStream."""

    def write(self, data: bytes) -> int:  # type: ignore[override]  # any bytes-like object
        """Write the lines that are complete; hold the rest."""
        text, thread = bytes(data), threading.get_ident()
        end = text.rfind(b"\n") + 1
        if end:
            self._put(self._held.pop(thread, b"") + text[:end])
        if end < len(text):
            held = self._held.pop(thread, b"") + text[end:]
            if len(held) > MAX_HELD or not self._is_whole:
                self._put(held + b"\n" if self._is_whole else held)
            else:
                self._held[thread] = held
        return len(text)

    def end_line(self) -> None:
        """Write the unfinished line of this thread, and end it."""
        if held := self._held.pop(threading.get_ident(), b""):
            self._put(held + b"\n")

    def end_lines(self) -> None:
        """Write the unfinished lines of all threads, and end them."""
        for thread in list(self._held):
            if held := self._held.pop(thread, b""):
                self._put(held + b"\n")

    def _put(self, data: bytes) -> None:
        """Write with a lock. A pipe takes up to 4,096 bytes at once, more in pieces between which others may write."""
        has_turn = self._turns is not None and _wait_for_turn(self._turns)
        try:
            while data:
                data = data[self._write(data) :]
        except OSError:
            pass
        finally:
            if has_turn:
                _end_turn(self._turns)  # type: ignore[arg-type]

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # another process has made the pipe non-blocking
            if not select.select([], [self._descriptor], [], MAX_BLOCKED_S)[1]:
                raise
            return 0

    def _open_turns(self) -> int | None:
        """Open a pipe again for the lock, because processes that inherit a descriptor share its lock.

        Return None if the descriptor is no pipe.
        """
        with suppress(OSError):
            if stat.S_ISFIFO(os.fstat(self._descriptor).st_mode):
                return os.open(f"/dev/fd/{self._descriptor}", os.O_WRONLY | os.O_CLOEXEC)
        return None

    def _pass_through(self) -> None:
        """Write without holding lines in a process that a handler has forked, where no task ends."""
        self._held.clear()
        self._is_whole = False


class LineStream(io.TextIOWrapper):
    """The text stream in front of a LineWriter. Closing it has no effect, because the next task needs it."""

    def end_line(self) -> None:
        """Write the unfinished line of this thread, and end it."""
        self.buffer.end_line()  # type: ignore[attr-defined]

    def close(self) -> None:
        """Do nothing."""

    def detach(self) -> io.BufferedIOBase:  # type: ignore[override]
        """Return the LineWriter, for a stream with another encoding. This stream stays usable."""
        return self.buffer  # type: ignore[return-value]


def _wait_for_turn(turns: int) -> bool:
    """Take the lock; return False if it cannot be taken.

    The process that holds it may be stopped, so the wait is limited. A handler may have closed `turns`.
    """
    for _ in range(MAX_TURNS):
        try:
            fcntl.flock(turns, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(TURN_S)
        except OSError:
            return False
        else:
            return True
    return False


def _end_turn(turns: int) -> None:
    with suppress(OSError):
        fcntl.flock(turns, fcntl.LOCK_UN)


_writers: list[LineWriter] = []
_end: Callable[[LineWriter], None] = LineWriter.end_lines


def write_whole_lines(*, runs_one_task: bool = True) -> None:
    """Replace `sys.stdout` and `sys.stderr` of this process. Output to one that was closed before is dropped."""
    global _end  # noqa: PLW0603
    _end = LineWriter.end_lines if runs_one_task else LineWriter.end_line
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, LineStream):
            whole = Path(os.devnull).open("w", encoding="utf-8") if stream is None else _whole(stream)  # noqa: SIM115
            setattr(sys, name, whole)
            setattr(sys, f"__{name}__", whole)


def end_line() -> None:
    """End the lines that the task has begun: those of all threads, or of this one if other tasks run in the process.

    A stream that a handler has put in front of ours is flushed first.
    """
    if type(getattr(sys, "stdout", None)) is not LineStream:
        try:  # noqa: SIM105
            sys.stdout.flush()
        except Exception:  # noqa: BLE001, S110  # it may be anything
            pass
    for writer in _writers:
        if writer._held:  # noqa: SLF001
            _end(writer)


def _whole(stream: TextIO) -> TextIO:
    """Return a stream that writes whole lines in place of this one, or this one itself if it has no descriptor."""
    try:
        stream.flush()
        writer = LineWriter(stream.fileno(), stream)
    except Exception:  # noqa: BLE001  # it may be anything
        return stream
    _writers.append(writer)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return LineStream(writer, encoding, errors="backslashreplace", newline="\n", write_through=True)

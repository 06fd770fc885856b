"""Restores the state of a child process after each task, so that all tasks begin with the state of its start."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from os import dup2, fchdir, get_inheritable, umask
from signal import getitimer, setitimer
from typing import Any

from workers.pool.descriptors import private
from workers.pool.environment import Environment
from workers.pool.lazy import Decimals, LazyPieces
from workers.pool.left_behind import LeftBehind
from workers.pool.loggers import Loggers
from workers.pool.recycling import Recycling
from workers.pool.state import (
    TIMERS,
    CannotRestore,
    Piece,
    RandomState,
    frozen,
    quick_pieces,
    slow_pieces,
    thorough_pieces,
)

SHORT_MS = 1.0
LONG_MS = 10.0
FIRST_TASKS = 20
STREAMS = (0, 1, 2)
AUDITED = frozenset({"os.chdir", "os.putenv", "os.unsetenv"})
"""Audit events of Python about state that would take a microsecond to read after each task."""


class Audit:
    """Records whether a task has changed the working directory or the environment, by Python's audit events.

    Changes by a C library raise no such event; the thorough comparison finds them.
    """

    def __init__(self) -> None:
        self.is_changed = False

        def record(event: str, _arguments: object) -> None:
            if event in AUDITED:
                self.is_changed = True

        sys.addaudithook(record)


class Clean:
    """The state of this process before its first task. `after_task` restores it.

    State that is cheap to read is compared after every task. The rest is compared after long tasks, after the last task
    of a chunk, after the first tasks of each type, and while tasks of the type have recently changed something.
    """

    def __init__(self, recycling: Recycling, *, keep_open: Sequence[int]) -> None:
        """`keep_open` are descriptors of the child itself. When one of them is closed, the child must be replaced."""
        self._recycling = recycling
        self._keep_open = keep_open
        self._context = copy_context()
        self._decimals = Decimals(self._context)
        self._environment = Environment()
        self._audit = Audit()
        self._loggers = Loggers()
        self._random = RandomState()
        self._left = LeftBehind()
        self._folder = _open_folder()
        self._streams = [(each, private(each)) for each in STREAMS if _is_open(each)]
        self._umask = umask(0)
        umask(self._umask)
        self._timers = [each for each in TIMERS if not any(getitimer(each))]
        self._quick = _Group(quick_pieces())
        self._thorough = _Group(thorough_pieces())
        self._lazy, self._lazy_group = LazyPieces(), _Group(())
        self._slow = _Group(slow_pieces())
        self._clean_tasks: dict[str, int] = {}  # since the last one that changed something, by type
        self._trusted: set[str] = set()  # types whose last FIRST_TASKS tasks changed nothing
        self._uncounted = 0
        self._unchecked_ms = 0.0
        self._is_untouched = self._quick_check()

    def new_context(self) -> Context:
        """Return the context variables with which a task begins."""
        context = self._context.copy()
        if self._decimals.is_used:
            context.run(self._decimals.renew)
        return context

    def after_task(self, task_type: str, took_ms: float, is_last: bool) -> str | None:  # noqa: FBT001
        """Restore the state; return why this process must be replaced, None if it need not."""
        self._uncounted += 1
        self._unchecked_ms += took_ms
        if (
            self._unchecked_ms < SHORT_MS
            and not is_last
            and task_type in self._trusted
            and not (self._audit.is_changed or self._left.has_other_threads())
        ):
            return None
        try:
            self._unchecked_ms = 0.0
            is_untouched = self._is_untouched()
            if is_untouched and took_ms < SHORT_MS and not is_last and task_type in self._trusted:
                return None
            clean_tasks = self._clean_tasks.get(task_type, 0)
            with_slow_pieces = clean_tasks < FIRST_TASKS or took_ms > LONG_MS
            is_untouched &= self._restore_all(with_slow_pieces=with_slow_pieces)
            self._clean_tasks[task_type] = clean_tasks = clean_tasks + 1 if is_untouched else 0
            (self._trusted.add if clean_tasks >= FIRST_TASKS else self._trusted.discard)(task_type)
            tasks, self._uncounted = self._uncounted, 0
            return self._broken() or self._recycling.after_tasks(tasks)
        except CannotRestore as what:
            return str(what)
        except BaseException as error:  # noqa: BLE001  # raised by a signal handler, or by patched functions
            return self._closed() or f"its state could not be restored: {type(error).__name__}"

    def wait_for_threads(self, seconds: float) -> None:
        """Wait for threads that a task left running."""
        self._left.wait_for_threads(seconds)

    def _quick_check(self) -> Callable[[], bool]:
        """Return a function that returns whether the state that is cheap to read is unchanged. It sets the umask."""
        mask, quick, left, random = self._umask, self._quick, self._left, self._random
        audit, environment = self._audit, self._environment

        def is_untouched() -> bool:
            return (
                not (
                    audit.is_changed
                    or umask(mask) != mask
                    or environment.is_replaced()
                    or random.is_seeded()
                    or left.has_other_threads()
                )
                and quick.is_untouched()
            )

        return is_untouched

    def _restore_all(self, *, with_slow_pieces: bool) -> bool:
        """Restore all pieces, with `with_slow_pieces` also the slow ones; return whether none of them had changed."""
        fchdir(self._folder)
        umask(self._umask)
        timers = [setitimer(each, 0)[0] for each in self._timers]
        faulthandler.cancel_dump_traceback_later()
        for stream, kept in self._streams:
            dup2(kept, stream)
        self._lazy_group.add(self._lazy.loaded())
        self._random.restore()
        is_touched = (
            self._environment.restore()
            | self._quick.restore()
            | self._thorough.restore()
            | (with_slow_pieces and self._slow.restore())
            | self._lazy_group.restore()
            | self._loggers.restore()
            | any(timers)
        )
        self._audit.is_changed = False  # restoring the environment is audited, too
        return not is_touched

    def _broken(self) -> str | None:
        """Return what a task has closed or left running, if anything."""
        if reason := self._closed():
            return reason
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and stream.closed:
                return "it closed a standard stream"
        return self._left.thread() or self._left.process()

    def _closed(self) -> str | None:
        """Return why the child must be replaced if one of its own descriptors was closed; None if all are open."""
        is_open = all(map(_is_open, self._keep_open))
        return None if is_open else "it closed descriptors that it did not open"


class _Group:
    """Pieces that are read together, and their saved values."""

    def __init__(self, pieces: Any) -> None:
        self._pieces: list[Piece] = []
        self._reads: list[Callable[[], Any]] = []
        self._saved: list[Any] = []
        self.add((piece, frozen(piece.read())) for piece in pieces)

    def add(self, pieces: Any) -> None:
        """Add pieces, each with its saved value."""
        names = {each.name for each in self._pieces}
        for piece, saved in pieces:
            if piece.name not in names:
                self._pieces.append(piece)
                self._reads.append(piece.read)
                self._saved.append(saved)

    def is_untouched(self) -> bool:
        """Return whether all pieces have their saved values."""
        try:
            return [read() for read in self._reads] == self._saved
        except Exception:  # noqa: BLE001  # an attribute was deleted, or a comparison is impossible
            return False

    def restore(self) -> bool:
        """Restore all pieces that have changed; return whether any had."""
        if self.is_untouched():
            return False
        for piece, saved in zip(self._pieces, self._saved, strict=True):
            if not _is_as_saved(piece, saved):
                try:
                    piece.set_back(saved)
                except (OSError, ValueError, PermissionError) as refused:
                    raise CannotRestore(f"{piece.name} cannot be restored ({type(refused).__name__})") from refused
        return True


def _is_as_saved(piece: Piece, saved: Any) -> bool:
    try:
        return bool(piece.read() == saved)
    except Exception:  # noqa: BLE001
        return False


def _open_folder() -> int:
    """Return a descriptor of the working directory, which stays valid when the directory is renamed."""
    folder = os.open(".", getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC)
    try:
        return private(folder)
    finally:
        os.close(folder)


def _is_open(file: int) -> bool:
    with suppress(OSError):
        get_inheritable(file)
        return True
    return False

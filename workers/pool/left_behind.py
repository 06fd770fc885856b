"""What a task leaves running: threads and processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from _thread import _count  # `threading.active_count` takes a lock
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

_waitid: Any = getattr(os, "waitid", None)  # a handler may replace that of the module
GRACE_S = 0.02  # for what is about to end
POLL_S = 0.002


class LeftBehind:
    """Finds threads and processes that a task began and left running.

    Daemon threads, such as those of connection pools, idle threads of a ThreadPoolExecutor and the helper processes of
    `multiprocessing` are allowed.
    """

    def __init__(self) -> None:
        self._known = set(threading.enumerate())
        self._count = _count()
        self._pools: list[threading.Thread] = []
        self._allowed = _children() if _has_child() else set()

    def has_other_threads(self) -> bool:
        """Return whether threads have begun or ended since the last check, or idle ones may have become busy."""
        return _count() != self._count or bool(self._pools)

    def thread(self) -> str | None:
        """Return which thread was left running, as a clause about the task; None if there is none."""
        if not self.has_other_threads():
            return None
        if busy := _after_grace(self._busy):
            return f"it left the thread {busy[0].name!r} running"
        self._pools = self._new()
        self._count = _count()
        return None

    def wait_for_threads(self, seconds: float) -> None:
        """Wait until no thread is left running."""
        until = monotonic() + seconds
        while self._busy() and monotonic() < until:
            sleep(GRACE_S)

    def process(self) -> str | None:
        """Return a clause about the task if it left a process running; None if not."""
        if _has_child() and _after_grace(self._other_children):
            return "it left a process running"
        return None

    def _other_children(self) -> set[int]:
        """Wait for the children that have ended; return the others, without those that are allowed."""
        multiprocessing.active_children()
        if clean := getattr(sys.modules.get("subprocess"), "_cleanup", None):
            clean()
        return _children() - self._allowed - {_helper("forkserver"), _helper("resource_tracker")}

    def _new(self) -> list[threading.Thread]:
        """Return the threads that are not daemons and were started by tasks."""
        return [each for each in threading.enumerate() if not each.daemon and each not in self._known]

    def _busy(self) -> list[threading.Thread]:
        return [each for each in self._new() if not _is_idle(each)]


def _is_idle(thread: threading.Thread) -> bool:
    """Return whether a thread of a ThreadPoolExecutor waits for work."""
    module = sys.modules.get("concurrent.futures.thread")
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001
    return module is not None and frame is not None and frame.f_code is module._worker.__code__  # noqa: SLF001


def _has_child() -> bool:
    """Return whether this process has a child, running or not waited for; False on a system without `waitid`."""
    if _waitid is None:
        return False
    try:
        _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _children() -> set[int]:
    """Return the process ids of the children; none on a system without `/proc`."""
    found: set[int] = set()
    with suppress(OSError):
        for each in Path("/proc/self/task").iterdir():
            found.update(map(int, Path(each, "children").read_text(encoding="ascii").split()))
    return found


def _helper(module: str) -> int:
    """Return the process id of a helper of `multiprocessing` that this process has started; 0 if there is none."""
    loaded = sys.modules.get(f"multiprocessing.{module}")
    state = getattr(loaded, f"_{module}", None)
    return getattr(state, "_forkserver_pid", None) or getattr(state, "_pid", None) or 0


def _after_grace(look: Callable[[], Any]) -> Any:
    """Return what `look` finds after GRACE_S, or nothing as soon as it finds nothing."""
    until = monotonic() + GRACE_S
    while (found := look()) and monotonic() < until:
        sleep(POLL_S)
    return found

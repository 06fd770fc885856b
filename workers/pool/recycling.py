"""The limits after which a child process is replaced: how many tasks it has run, and how much memory it uses."""

from __future__ import annotations

import os
import random
import sys
from contextlib import suppress
from os import close, open, read  # noqa: A004  # a handler may replace those of the module

MB = 1024 * 1024


class Recycling:
    """Counts the tasks of this process, and reads its memory."""

    def __init__(self, max_tasks: int, max_memory_mb: int) -> None:
        """For either limit, 0 means no limit."""
        # The random part keeps children that began together from being replaced together.
        self._max_tasks = max_tasks - random.randrange(max_tasks // 10 + 1) if max_tasks else sys.maxsize  # noqa: S311
        self._max_memory_mb = max_memory_mb
        self._tasks = 0

    def after_tasks(self, tasks: int) -> str | None:
        """Count tasks; return why the child should be replaced after them, None if it should not."""
        self._tasks += tasks
        if self._tasks >= self._max_tasks:
            return f"it has run {self._tasks} tasks"
        if self._max_memory_mb and (used := memory_mb()) > self._max_memory_mb:
            return f"it uses {used:.0f} MB of memory; the limit is {self._max_memory_mb}"
        return None


def memory_mb() -> float:
    """Return the resident memory of this process; on a system without `/proc`, its maximum so far."""
    with suppress(OSError):
        file = open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(read(file, 100).split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB
        finally:
            close(file)
    import resource  # noqa: PLC0415  # not on Linux, where its presence means that a handler may set limits

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / MB if sys.platform == "darwin" else used / 1024

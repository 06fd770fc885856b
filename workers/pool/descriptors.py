"""Descriptors of a child process that survive handlers which close descriptors."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

_write, _open, _close = os.write, os.open, os.close  # a handler may replace those of the module

FROM_END = 64
USUAL_LIMIT = 1024


def private(file: int) -> int:
    """Return a duplicate with a high number, which `os.closerange(3, 256)` in a handler does not close."""
    limit = os.sysconf("SC_OPEN_MAX")
    lowest = max(3, min(limit if limit > 0 else USUAL_LIMIT, USUAL_LIMIT) - FROM_END)
    try:
        return fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, lowest)
    except OSError:  # the limit was changed
        return os.dup(file)


class EventPipe:
    """The writing end of the pipe for events.

    A handler that daemonizes closes all descriptors. On Linux the pipe is then opened again through `/proc`, among the
    open files of the fork server and of the worker.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._link = f"pipe:[{os.fstat(file).st_ino}]"

    def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            OSError: the pipe is closed.
        """
        try:
            if (written := _write(self._file, data)) < len(data):
                self._write(data[written:])
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            self._file = self._open_again()
            self._write(data)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[_write(self._file, data) :]

    def _open_again(self) -> int:
        for process in _ancestors():
            with suppress(OSError):
                for each in Path(f"/proc/{process}/fd").iterdir():
                    with suppress(OSError):
                        if str(each.readlink()) == self._link:
                            return _open(each, os.O_WRONLY | os.O_CLOEXEC)
        raise OSError(errno.EBADF, "the pipe for events is closed")


def _ancestors() -> list[int]:
    """Return the process ids of the fork server and the worker."""
    parent = os.getppid()
    try:
        stat = Path(f"/proc/{parent}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return [parent, int(stat.rpartition(")")[2].split()[1])]

"""Memory that a worker shares with its children: cells of two numbers."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import weakref
from ctypes import c_double, c_longlong

CELL_BYTES = 16


class SharedMemory:
    """Cells of 16 bytes. The child gets the number of its cell; the fork server maps the memory before it forks.

    On Linux it is an anonymous file, which needs neither a folder for temporary files nor /dev/shm.
    """

    def __init__(self, cells: int, *, fd: int | None = None) -> None:
        """Create the memory, or map the one behind `fd`.

        Raises:
            OSError: no memory or no file descriptor is left.
        """
        size = cells * CELL_BYTES
        self.fd = _new_file(size) if fd is None else fd
        weakref.finalize(self, os.close, self.fd)
        self.cells = cells
        self._map = mmap.mmap(self.fd, size)
        self._free = list(range(cells - 1, -1, -1))

    def allocate(self) -> int:
        """Return a cell that is not in use, set to zero.

        Raises:
            OSError: all are in use.
        """
        if not self._free:
            raise OSError("all cells of the shared memory are in use")
        cell = self._free.pop()
        self._map[cell * CELL_BYTES : (cell + 1) * CELL_BYTES] = bytes(CELL_BYTES)
        return cell

    def release(self, cell: int) -> None:
        """Let the cell be allocated again."""
        self._free.append(cell)

    def float(self, cell: int, half: int) -> c_double:
        """Return one half of a cell as a float."""
        return c_double.from_buffer(self._map, cell * CELL_BYTES + 8 * half)

    def integer(self, cell: int, half: int) -> c_longlong:
        """Return one half of a cell as an integer."""
        return c_longlong.from_buffer(self._map, cell * CELL_BYTES + 8 * half)


def _new_file(size: int) -> int:
    if sys.platform == "linux":
        fd = os.memfd_create("punctual")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd

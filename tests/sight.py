"""Evidence of what a handler did, written to a file outside the system."""

from __future__ import annotations

import os
import time


def write_sight(file: str, what: str, task_id: str, attempt: int) -> None:
    """Append one line, in one write with O_APPEND: lines of several processes do not mix."""
    fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(fd, f"{what} {task_id} {attempt} {time.time():.6f} {os.getpid()}\n".encode())
    finally:
        os.close(fd)

"""The task of every Python peer: it records its start and, if it takes time, its end."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from pathlib import Path

RECORD = struct.Struct("<qq")  # task number, or ~number when it ended; nanoseconds since 1970
FOLDER = Path(os.environ["PEER_RECORDS"])
TASK_S = float(os.environ.get("PEER_TASK_S", "0"))

_files: dict[int, int] = {}


def run(number: int) -> None:
    """Run task `number`, which takes no time unless PEER_TASK_S is set."""
    _note(number)
    if TASK_S:
        time.sleep(TASK_S)
        _note(~number)


async def run_async(number: int) -> None:
    """Run task `number` in an event loop."""
    _note(number)
    if TASK_S:
        await asyncio.sleep(TASK_S)
        _note(~number)


def _note(number: int) -> None:
    now, pid = time.time_ns(), os.getpid()  # a forked child needs a file of its own
    if pid not in _files:
        _files[pid] = os.open(FOLDER / f"{pid}.records", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(_files[pid], RECORD.pack(number, now))

"""Read the records of tasks: which began when, and which ended."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable
from pathlib import Path

RECORD = struct.Struct("<qq")  # as inside/record.py writes it
PATTERN = "*.records"

Record = tuple[int, int]
"""Task number, or ~number when it ended; nanoseconds since 1970."""


def read_records(folder: Path) -> list[Record]:
    """Read the records of all processes in `folder`."""
    records: list[Record] = []
    for path in folder.glob(PATTERN):
        written = path.read_bytes()
        records += RECORD.iter_unpack(written[: len(written) // RECORD.size * RECORD.size])
    return records


def count_records(folder: Path) -> int:
    """Count the records without reading them."""
    return sum(path.stat().st_size // RECORD.size for path in folder.glob(PATTERN))


def count_writers(folder: Path) -> int:
    """Count the processes that ran a task."""
    return sum(1 for _ in folder.glob(PATTERN))


def starts_of(records: Iterable[Record], numbers: Container[int]) -> dict[int, list[int]]:
    """Return when each of these tasks began, in order; tasks that never began are missing."""
    starts: dict[int, list[int]] = {}
    for number, at_ns in records:
        if number in numbers:
            starts.setdefault(number, []).append(at_ns)
    return {number: sorted(times) for number, times in starts.items()}


def ended_of(records: Iterable[Record], numbers: range) -> set[int]:
    """Return which of these tasks ended at least once."""
    return {~number for number, _ in records if ~number in numbers}

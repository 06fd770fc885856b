"""Read the output of workers: the lines of tasks among log lines, with or without the prefix of honcho."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PREFIX = re.compile(r"(?:\d\d:\d\d:\d\d )?[A-Za-z][\w.-]* *\| ?")
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
LINES = {
    "foo": re.compile(f"Foo {ID}"),
    "fizz": re.compile(f"Fizz {ID}"),
    "buzz": re.compile(f"Buzz {ID}"),
    "fizzbuzz": re.compile(r"FizzBuzz \d{4}-\d\d-\d\dT\S+"),
    "baz": re.compile(r"Baz \d{1,3}"),
    "bar": re.compile(r"[1-5]\d\d"),
}
NAMING_THE_ID = frozenset({"foo", "fizz", "buzz"})


class LogLine(msgspec.Struct):
    """The part of a log line that is read: its timestamp."""

    timestamp: datetime


@dataclass(slots=True)
class Printed:
    """How often each line of a task was printed, and the instant from which the files are complete."""

    lines: Counter[str] = field(default_factory=Counter)
    began: datetime | None = None

    def read(self, output: Iterable[str]) -> None:
        """Count the lines of one file."""
        began: datetime | None = None
        for raw in output:
            line = bare(raw)
            if type_of(line):
                self.lines[line] += 1
            elif began is None:
                began = logged_at(line)
        if began and (self.began is None or began < self.began):
            self.began = began

    def of_type(self, task_type: str) -> Counter[str]:
        """Return the counts of the lines of one type."""
        return Counter({line: count for line, count in self.lines.items() if type_of(line) == task_type})

    def covers(self, started_at: datetime | None) -> bool:
        """Return whether a task that started then must have its line in the files."""
        return started_at is not None and (self.began is None or started_at >= self.began)


def bare(line: str) -> str:
    """Strip colours, the prefix of honcho, and the end of line."""
    return PREFIX.sub("", COLOUR.sub("", line).rstrip("\r\n"), count=1)


def type_of(line: str) -> str | None:
    """Return which of the six seed types prints such a line."""
    return next((name for name, pattern in LINES.items() if pattern.fullmatch(line)), None)


def logged_at(line: str) -> datetime | None:
    """Return when a log line was written; None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        at = msgspec.json.decode(line, type=LogLine).timestamp
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return at if at.tzinfo else None

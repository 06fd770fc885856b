"""What a check found: how bad it is, in one line, and the remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor. No passwords in it: whoever makes one says what he saw, not where."""

    check: str
    level: Level
    said: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def ok(check: str, said: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, remedy: str) -> Finding:
    """It runs, but should be looked at."""
    return Finding(check, Level.WARN, said, remedy)


def fail(check: str, said: str, remedy: str) -> Finding:
    """Tasks do not run as promised until this is put right."""
    return Finding(check, Level.FAIL, said, remedy)

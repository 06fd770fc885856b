"""The result of a check: a level, a line, and the remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`. It contains no URL, because a URL may contain a password."""

    check: str
    level: Level
    said: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for --json."""
        return asdict(self)


def ok(check: str, said: str) -> Finding:
    """Return a finding that requires no action."""
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, remedy: str) -> Finding:
    """Return a finding that should be examined, although tasks run."""
    return Finding(check, Level.WARN, said, remedy)


def fail(check: str, said: str, remedy: str) -> Finding:
    """Return a finding that must be corrected before tasks run as promised."""
    return Finding(check, Level.FAIL, said, remedy)

"""The lines that handlers of type `witness` write when they start and end: evidence independent of the service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sight:
    """One line: which attempt of which task started or ended, when (seconds since 1970), in which process."""

    what: str
    task_id: str
    attempt: int
    at: float
    pid: int


class Witness:
    """A file to which handlers append."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def forget(self) -> None:
        """Remove all lines that were written so far."""
        self.file.write_text("")

    def payload(self, **more: Any) -> dict[str, Any]:
        """Return the payload of a task that writes to this file."""
        return {"file": str(self.file), **more}

    @property
    def gate(self) -> Path:
        """The file that tasks with `until=str(witness.gate)` wait for."""
        return self.file.with_name(f"{self.file.name}.gate")

    def sights(self) -> list[Sight]:
        """Return all lines in the order in which they were written."""
        rows = [line.split() for line in self.file.read_text().splitlines()]
        return [Sight(what, task_id, int(attempt), float(at), int(pid)) for what, task_id, attempt, at, pid in rows]

    def begun(self) -> list[tuple[str, int]]:
        """Return (task id, attempt) for each start, in order; a repeated start is repeated here."""
        return [(each.task_id, each.attempt) for each in self.sights() if each.what == "began"]

    def assert_ran_once(self, ids: list[str]) -> None:
        """Assert that each of these tasks started once, in its first attempt, and no other task started."""
        begun = self.begun()
        twice = sorted({each for each in begun if begun.count(each) > 1}) if len(set(begun)) < len(begun) else []
        assert not twice, f"started twice: {twice[:5]}"
        expected = {(each, 1) for each in ids}
        assert set(begun) == expected, (
            f"not started: {sorted(expected - set(begun))[:5]}, unexpected: {sorted(set(begun) - expected)[:5]}"
        )

"""What tasks of type `witness` wrote down when they began and ended: the truth beside the system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sight:
    """One line: which attempt of which task began or ended, when (seconds since 1970), in which process."""

    what: str
    task_id: str
    attempt: int
    at: float
    pid: int


class Witness:
    """A file that handlers append to."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def payload(self, **more: Any) -> dict[str, Any]:
        """The payload of a task that writes here."""
        return {"file": str(self.file), **more}

    def sights(self) -> list[Sight]:
        """All lines, in the order in which they were written."""
        rows = [line.split() for line in self.file.read_text().splitlines()]
        return [Sight(what, task_id, int(attempt), float(at), int(pid)) for what, task_id, attempt, at, pid in rows]

    def begun(self) -> list[tuple[str, int]]:
        """Which attempts of which tasks began; in order, repeated ones repeated."""
        return [(each.task_id, each.attempt) for each in self.sights() if each.what == "began"]

    def assert_ran_once(self, ids: list[str]) -> None:
        """Each of these began once, as its first attempt, and nothing else did."""
        begun = self.begun()
        twice = sorted({each for each in begun if begun.count(each) > 1}) if len(set(begun)) < len(begun) else []
        assert not twice, f"began twice: {twice[:5]}"
        expected = {(each, 1) for each in ids}
        assert set(begun) == expected, (
            f"never began: {sorted(expected - set(begun))[:5]}, began unasked: {sorted(set(begun) - expected)[:5]}"
        )

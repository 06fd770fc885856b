"""The JSON file of a run, with its graphs beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.peers.result import PeerResult
from benchmarks.result import Row

TOP = Path(__file__).resolve().parents[1]
RESULTS, PASSING = TOP / "benchmarks" / "results", TOP / "var" / "bench"
NUMBERS = re.compile(r"\[\s+([-\d.e+,\s]+?)\s+\]")


@dataclass(frozen=True, slots=True)
class Kept:
    """The results of one run."""

    at: datetime
    machine: Machine
    seconds: float
    rows: Sequence[Row]
    limits: Sequence[Row]
    systems: Sequence[PeerResult]
    failed: Sequence[str] = ()
    stolen: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> str:
        """Format as JSON, each list of numbers on one line."""
        document: dict[str, Any] = {
            "at": self.at.isoformat(timespec="seconds"),
            "machine": self.machine.as_dict(),
            "seconds": round(self.seconds),
            "rows": [row.as_dict() for row in self.rows],
            "limits": [row.as_dict() for row in self.limits],
            "failed": list(self.failed),
            "stolen": {name: round(share, 3) for name, share in self.stolen.items()},
            "systems": [system.as_dict() for system in self.systems],
        }
        text = json.dumps(document, indent=1, allow_nan=False)
        return NUMBERS.sub(lambda match: "[" + re.sub(r"\s+", " ", match[1]) + "]", text) + "\n"

    def write(self, folder: Path) -> Path:
        """Write the file, named by its minute; return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.at:%Y-%m-%d-%H%M}.json"
        file.write_text(self.as_json(), encoding="utf-8")
        return file

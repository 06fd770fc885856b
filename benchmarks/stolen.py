"""How much of the processors' time others on the same host took: figures of another minute may differ by as much."""

from __future__ import annotations

from pathlib import Path

TIMES = Path("/proc/stat")
STEAL = 7  # user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5)


class Stolen:
    """Counts from now on."""

    def __init__(self) -> None:
        self._before = _times()

    def share(self) -> float | None:
        """Of all time since then; None where nobody counts it."""
        since = [now - before for now, before in zip(_times(), self._before, strict=True)]
        whole = sum(since)
        return since[STEAL] / whole if len(since) > STEAL and whole else None


def _times() -> list[int]:
    try:
        line = TIMES.read_text().splitlines()[0]
    except OSError:
        return []
    return [int(each) for each in line.split()[1:9]]

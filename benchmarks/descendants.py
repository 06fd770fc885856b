"""Which processes somebody has started, directly or not."""

from __future__ import annotations

import subprocess


def descendants(ancestor: int) -> set[int]:
    """All that run now, by their parents; not the `ps` that tells."""
    listed = subprocess.run(["ps", "-ax", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, name in rows if name != "ps"}
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {ancestor}} - found:
        found |= more
    return found

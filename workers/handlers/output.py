"""The line a task prints: to stdout, alone on its line."""

from __future__ import annotations

import sys


def say(line: str) -> dict[str, str]:
    """Print the line in one write; it is the task's result, too."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return {"output": line}

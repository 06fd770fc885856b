"""Printing for the built-in task types."""

from __future__ import annotations

import sys


def say(line: str) -> dict[str, str]:
    """Print the line to stdout in one write, so that lines of processes do not mix; return it as the task's result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return {"output": line}

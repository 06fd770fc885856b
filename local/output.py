"""The output of all processes, written to the terminal and to a log file."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Self

TERMINAL, STDERR = 1, 2
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Output:
    """An unbuffered text stream: signal handlers print, too, and a buffered writer of Python is not reentrant."""

    def __init__(self, log: Path) -> None:
        while (spare := os.open(os.devnull, os.O_RDWR)) <= STDERR:  # our files must not replace a stream
            pass
        os.close(spare)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.rename(log.with_name(f"{log.name}.1"))
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, text: str) -> int:
        """Print ``text``; if the terminal is closed, it is still logged."""
        _write_all(TERMINAL, text)
        _write_all(self._log, COLOUR.sub("", text))
        return len(text)

    def say(self, line: str) -> None:
        """Print one line."""
        self.write(f"{line}\n")

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def isatty(self) -> bool:
        """Return whether colours are wanted."""
        return sys.stdout is not None and sys.stdout.isatty()

    def close(self) -> None:
        """Close the log."""
        os.close(self._log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _write_all(place: int, text: str) -> None:
    written = text.encode(errors="replace")
    try:
        while written:
            written = written[os.write(place, written) :]
    except OSError:  # the terminal was closed, or the disk is full
        return

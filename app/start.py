"""How a process ends that cannot start: one sentence on stderr and exit code 1, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import BadTaskType, InvalidSetting

EXIT_REFUSED = os.EX_CONFIG  # of the web server's own processes: starting another one would not help


@contextmanager
def sentence_instead_of_traceback(process: str) -> Iterator[None]:
    """End the process with a sentence when the block meets a setting or a declaration that cannot be used."""
    try:
        yield
    except (InvalidSetting, BadTaskType) as wrong:
        sys.exit(f"The {process} process does not start: {wrong}")

"""The end of a process that cannot start: one sentence on stderr and exit code 1, without a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import BadTaskType, InvalidSetting

EXIT_REFUSED = os.EX_CONFIG  # exit code of a process of the web server that must not be started again


@contextmanager
def sentence_instead_of_traceback(process: str) -> Iterator[None]:
    """Exit with one sentence if the block raises for a setting or a declaration that cannot be used."""
    try:
        yield
    except (InvalidSetting, BadTaskType) as wrong:
        sys.exit(f"The {process} process does not start: {wrong}")

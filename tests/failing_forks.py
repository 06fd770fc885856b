"""Makes every fork in a fork server fail while a file exists. The fork server imports it as one of TASK_MODULES."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

VARIABLE = "PUNCTUAL_TEST_FAILING_FORKS"
"""The path of that file."""

_fork = os.fork


def _fork_or_fail() -> int:
    if Path(os.environ[VARIABLE]).exists():
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # as by RLIMIT_NPROC, which root ignores
    return _fork()


if VARIABLE in os.environ and "workers.pool.fork_server" in sys.modules:
    os.fork = _fork_or_fail

"""Lets one run at a time use a directory."""

from __future__ import annotations

import fcntl
from typing import IO, TYPE_CHECKING

from local.errors import InUseError

if TYPE_CHECKING:
    from pathlib import Path


def hold(file: Path) -> IO[str]:
    """Hold ``file`` until it is closed or this process ends; raises InUseError if another run holds it.

    lockf rather than flock: a forked child must not keep the hold when its parent was killed.
    """
    held = file.open("a")
    try:
        fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise InUseError(f"{file.parent} belongs to a run that is still going") from None
    return held

"""Files of a run: locks, passwords, and files that only their owner can read."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from local import InUseError


def lock(file: Path) -> IO[str]:
    """Lock ``file`` until it is closed or this process ends; raises InUseError if another run has locked it.

    lockf instead of flock: a forked child must not keep the lock after its parent was killed.
    """
    locked = file.open("a")
    try:
        fcntl.lockf(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        locked.close()
        raise InUseError(f"{file.parent} belongs to a run that is still going") from None
    return locked


def new_password() -> str:
    """Return a password that needs no quoting in a URL."""
    return secrets.token_urlsafe(24)


def kept_password(file: Path) -> str:
    """Return the password in ``file``, created by the first call."""
    if not file.exists():
        write_private(file, new_password())
    return file.read_text()


def write_private(file: Path, text: str) -> None:
    """Write ``text`` atomically; the file is readable by its owner only from the first byte on."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
        new.write(text)
    draft.rename(file)

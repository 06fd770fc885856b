"""Files that only their owner may read: passwords, and what contains them."""

import os
import secrets
from pathlib import Path


def new_password() -> str:
    """One that needs no quoting in a URL."""
    return secrets.token_urlsafe(24)


def kept_password(file: Path) -> str:
    """The password in ``file``, made at the first call."""
    if not file.exists():
        write_private(file, new_password())
    return file.read_text()


def write_private(file: Path, text: str) -> None:
    """Write all of ``text`` or nothing, readable by its owner only from the first byte on."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
        new.write(text)
    draft.rename(file)

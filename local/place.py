"""Where a server started by root but run as nobody can live: places that user can reach, without opening any.

Postgres refuses to run as root. Nothing here changes the mode of a folder it did not make, and no user is added.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

OUTSIDE = Path("/var/tmp")  # noqa: S108 - survives a reboot; every folder made in it is checked to be ours
NOBODY = "nobody"


def server_user() -> str | None:
    """The user a server must be run as: nobody when we are root, otherwise None (ourselves)."""
    return NOBODY if os.geteuid() == 0 else None


def reachable(path: Path) -> bool:
    """Whether every user can enter ``path``, which must exist."""
    whole = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (whole, *whole.parents))


def room_for(directory: Path) -> Path:
    """``directory`` itself, or its stand-in where the server's user can reach it."""
    if server_user() is None or reachable(directory):
        return directory
    return _our_folder(f"punctual-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]}")


def reachable_copy(folders: list[Path], name: str) -> Path:
    """A folder that everybody may enter with a copy of ``folders``, made once per ``name`` and machine."""
    copy = OUTSIDE / f"punctual-{name}"
    if copy.exists():
        return _our_folder(copy.name)
    draft = Path(tempfile.mkdtemp(prefix="punctual-", dir=OUTSIDE))
    for folder in folders:
        shutil.copytree(folder, draft / folder.name, symlinks=True)
    draft.chmod(0o755)
    try:
        draft.rename(copy)
    except OSError:  # another run was quicker
        shutil.rmtree(draft)
    return _our_folder(copy.name)


def give(path: Path, user: str | None) -> None:
    """Hand ``path`` to the server's user."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _our_folder(name: str) -> Path:
    """``name`` below ``OUTSIDE``; refuses one that somebody else put there."""
    folder = OUTSIDE / name
    folder.mkdir(mode=0o755, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} exists and is not ours: remove it, or set DATABASE_URL")
    folder.chmod(0o755)  # whatever the umask was
    return folder

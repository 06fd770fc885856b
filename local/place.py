"""Where the binaries of embedded servers are, and where their data can be when root starts them as another user.

Postgres refuses to run as root. Nothing here changes the mode of a folder that it did not create, and no user is added.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from local import ServerError

OUTSIDE = Path("/var/tmp")  # noqa: S108 - survives a reboot; every folder created in it is checked to be ours
NOBODY = "nobody"
NO_WHEEL = (
    "the embedded server of the package {package} is not to be had on this platform. "
    "Run Postgres 16+ and Redis 6.2+ (or Valkey) yourself and name both in the environment: "
    "DATABASE_URL=postgresql://user:password@host/database REDIS_URL=redis://host:6379/0"
)


def folder_of(package: str) -> Path:
    """Return the folder that ``package`` is installed in, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(NO_WHEEL.format(package=package))
    return Path(spec.submodule_search_locations[0])


def binary(package: str, pattern: str) -> Path:
    """Return the executable of ``package`` that matches ``pattern``."""
    matches = sorted(folder_of(package).glob(pattern))
    if not matches:
        raise ServerError(NO_WHEEL.format(package=package))
    return matches[0]


def version(distribution: str) -> str:
    """Return the installed version of ``distribution``."""
    return importlib.metadata.version(distribution)


def server_user() -> str | None:
    """Return the user to run a server as: nobody if this process runs as root, otherwise None, its own user."""
    return NOBODY if os.geteuid() == 0 else None


def reachable(path: Path) -> bool:
    """Return whether every user can enter ``path``, which must exist."""
    whole = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (whole, *whole.parents))


def data_folder(directory: Path) -> Path:
    """Return ``directory``, or a substitute in /var/tmp if the server's user cannot enter it."""
    if server_user() is None or reachable(directory):
        return directory
    return _our_folder(f"punctual-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]}")


def reachable_copy(folders: list[Path], name: str) -> Path:
    """Return a folder that every user can enter with a copy of ``folders``, made once per ``name`` and machine."""
    copy = OUTSIDE / f"punctual-{name}"
    if copy.exists():
        return _our_folder(copy.name)
    draft = Path(tempfile.mkdtemp(prefix="punctual-", dir=OUTSIDE))
    for folder in folders:
        shutil.copytree(folder, draft / folder.name, symlinks=True)
    draft.chmod(0o755)
    try:
        draft.rename(copy)
    except OSError:  # another run created it first
        shutil.rmtree(draft)
    return _our_folder(copy.name)


def change_owner(path: Path, user: str | None) -> None:
    """Change the owner of ``path`` to the server's user."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _our_folder(name: str) -> Path:
    """Return ``name`` in ``OUTSIDE``; raise PermissionError if another user created it."""
    folder = OUTSIDE / name
    folder.mkdir(mode=0o755, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"{folder} exists and is not ours: remove it, or set DATABASE_URL")
    folder.chmod(0o755)  # independent of the umask
    return folder

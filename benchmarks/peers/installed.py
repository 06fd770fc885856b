"""Install a peer into an environment of its own, once, in the pinned versions."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.peer import INSIDE, Peer

TOP = Path(__file__).resolve().parents[2]
ENVIRONMENTS = TOP / "var" / "peers"
STAMP = ".installed"
TIMEOUT_S = 300.0


class NotInstalledError(RuntimeError):
    """This peer cannot be installed here; the message says why."""


def installed(peer: Peer) -> Path:
    """Return the folder of the peer's environment; raises NotInstalledError."""
    home = ENVIRONMENTS / peer.name
    stamp, current = home / STAMP, _fingerprint(peer)
    if not stamp.exists() or stamp.read_text() != current:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (_by_pip if peer.is_python else _by_npm)(peer, home)
        stamp.write_text(current)
    if not peer.is_python:  # Node.js looks for packages beside the file that imports them
        for path in (*INSIDE.glob("*.mjs"), *peer.folder.glob("*.mjs")):
            shutil.copy(path, home)
    return home


def _fingerprint(peer: Peer) -> str:
    """Return a digest of the pinned versions and the interpreter."""
    pinned = b"".join(path.read_bytes() for path in peer.pins())
    return f"{hashlib.sha256(pinned).hexdigest()} {platform.python_version()}\n"


def _by_pip(peer: Peer, home: Path) -> None:
    command = [str(TOP / "local" / "install"), sys.executable, str(home), str(peer.folder / "requirements.txt")]
    _run(command, cwd=TOP, home=home)


def _by_npm(peer: Peer, home: Path) -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstalledError("node and npm are not here")
    for path in peer.pins():
        shutil.copy(path, home)
    # Not `npm ci`: it refuses a lock file that does not list the packages of other platforms.
    _run([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=home, home=home)


def _run(command: list[str], *, cwd: Path, home: Path) -> None:
    """Run a command; its output may name hosts and paths of this machine and stays in a file."""
    log = home / "install.log"
    with log.open("wb") as output:
        try:
            done = subprocess.run(command, cwd=cwd, stdout=output, stderr=output, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise NotInstalledError(f"the installation took longer than {TIMEOUT_S:g} s") from None
    if done.returncode:
        raise NotInstalledError(f"the installation failed, see {log.relative_to(TOP)}")

"""The description of a peer: its folder, its pinned versions, its processes."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
INSIDE = HERE / "inside"
"""The folder of the code that runs in the environments of the peers."""
DESCRIPTION = "peer.toml"


@dataclass(frozen=True)
class Peer:
    """One folder: `peer.toml`, an adapter, and the files that pin what is installed."""

    name: str
    title: str
    package: str
    store: Literal["redis", "postgres"]
    drain: int
    """The number of tasks due at one instant, as many as the peer runs in some seconds."""
    processes: tuple[tuple[str, ...], ...]
    """Commands; the first word is looked for in the peer's own environment first."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of these commands; `{store}` stands for the address of the store."""
    moves_waiting: bool = False
    """Whether the workers change the storage of a waiting task."""

    @property
    def folder(self) -> Path:
        """The folder of its files in the repository."""
        return HERE / self.name

    @property
    def is_python(self) -> bool:
        """Whether it runs under Python; otherwise under Node.js."""
        return (self.folder / "requirements.txt").exists()

    def pins(self) -> list[Path]:
        """The files that pin what is installed."""
        names = ("requirements.txt",) if self.is_python else ("package.json", "package-lock.json")
        return [self.folder / name for name in names]

    def versions(self) -> dict[str, str]:
        """The pinned versions of the peer and of the packages that it was chosen with."""
        if not self.is_python:
            depended: dict[str, str] = json.loads((self.folder / "package.json").read_text())["dependencies"]
            return depended
        names = re.findall(r"^[\w-]+", (self.folder / "requirements.in").read_text(), re.MULTILINE)
        pinned = dict(re.findall(r"^([\w-]+)==(\S+)", (self.folder / "requirements.txt").read_text(), re.MULTILINE))
        return {name: pinned[name] for name in names}


def read_peers(names: Sequence[str] | None = None) -> list[Peer]:
    """Read peers by the names of their folders, all of them without names; raise ValueError for an unknown name."""
    known = sorted(path.parent.name for path in HERE.glob(f"*/{DESCRIPTION}"))
    if unknown := set(names or ()) - set(known):
        raise ValueError(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [_read_peer(name) for name in known if not names or name in names]


def _read_peer(name: str) -> Peer:
    described = tomllib.loads((HERE / name / DESCRIPTION).read_text())
    processes = [tuple(each["command"]) for each in described.pop("processes") for _ in range(each.get("count", 1))]
    return Peer(name=name, processes=tuple(processes), **described)

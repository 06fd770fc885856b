"""Hosts on one machine: network namespaces with an address each, connected by a switch. Needs root on Linux."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

NAMESPACES = Path("/run/netns")
PREFIX = "punctual"
CLONE_NEWNET = 0x40000000
SELF = "self"  # the namespace of this process is one more host


def why_not() -> str | None:
    """Return why hosts cannot be created here; None if they can."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        return "network namespaces need Linux and `ip` (iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = f"{PREFIX}-{os.getpid()}-probe"
    tried = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no permission to create network namespaces: {tried.stderr.strip()}"
    entered = subprocess.run(["ip", "netns", "exec", probe, "true"], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "delete", probe], check=False)
    return f"no permission to enter network namespaces: {entered.stderr.strip()}" if entered.returncode else None


class Hosts:
    """A switch and the hosts connected to it; leaving the context removes all of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._net = f"198.18.{random.randrange(256)}"  # reserved for tests of network devices
        self._addresses = {name: f"{self._net}.{number}" for number, name in enumerate([SELF, *names], 1)}
        self._stack = ExitStack()

    def address(self, host: str) -> str:
        """Return the address of a host, which all others can reach."""
        return self._addresses[host]

    def namespace(self, host: str) -> str:
        """Return the name of the host's network namespace."""
        return f"{PREFIX}-{os.getpid()}-{host}"

    def command(self, host: str, command: str) -> str:
        """Return a command line that runs the command on a host."""
        return f"ip netns exec {self.namespace(host)} {command}"

    @contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """Move this thread, and the processes that it starts, to a host while the context is entered."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as here,
            (NAMESPACES / self.namespace(host)).open("rb") as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(here.fileno())

    def unplug(self, host: str) -> None:
        """Disconnect a host: packets are dropped without an error."""
        self._at_switch("link", "set", self._port(host), "down")

    def plug(self, host: str) -> None:
        """Connect a host again."""
        self._at_switch("link", "set", self._port(host), "up")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            _remove_leftovers()
            self._add_namespace("switch", stack)
            self._at_switch("link", "add", "bridge", "type", "bridge")
            self._at_switch("link", "set", "bridge", "up")
            for host in self._addresses:
                if host != SELF:
                    self._add_namespace(host, stack)
                self._wire(host, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _add_namespace(self, host: str, stack: ExitStack) -> None:
        name = self.namespace(host)
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "delete", name)  # removes its links, too
        _ip("-n", name, "link", "set", "lo", "up")

    def _wire(self, host: str, stack: ExitStack) -> None:
        """Connect a host to the switch by a link whose name is unique on this machine."""
        here, port = f"p{os.getpid()}h{list(self._addresses).index(host)}", self._port(host)
        _ip("link", "add", here, "type", "veth", "peer", "name", port, "netns", self.namespace("switch"))
        at: tuple[str, ...] = ()
        if host == SELF:
            stack.callback(_ip, "link", "delete", here)  # the removal of the switch would remove it, but later
        else:
            _ip("link", "set", here, "netns", self.namespace(host))
            at = ("-n", self.namespace(host))
        _ip(*at, "address", "add", f"{self.address(host)}/24", "dev", here)
        _ip(*at, "link", "set", here, "up")
        self._at_switch("link", "set", port, "master", "bridge")
        self.plug(host)

    def _port(self, host: str) -> str:
        return f"port{list(self._addresses).index(host)}"

    def _at_switch(self, *arguments: str) -> None:
        _ip("-n", self.namespace("switch"), *arguments)


def _enter(namespace: int) -> None:
    """Move this thread to a namespace, by ctypes because `os.setns` is new in Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


def _remove_leftovers() -> None:
    """Remove the namespaces of runs that were killed."""
    for each in NAMESPACES.glob(f"{PREFIX}-*") if NAMESPACES.exists() else ():
        if not Path("/proc", each.name.split("-")[1]).exists():
            _ip("netns", "delete", each.name)

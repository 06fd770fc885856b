"""All that a fault can reach: the processes, the servers, the ways between them, the tasks of late."""

from __future__ import annotations

import os
import signal
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.acceptance.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.server import Server
    from tests.acceptance.processes import ServiceProcess
    from tests.acceptance.service import Service
    from tests.faults.network import Network

RECENT = 2000


class NobodyThere(Exception):
    """There is nothing to strike just now."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What a fault did: to which processes (none: to a server, or to all), and how it is undone."""

    pids: tuple[int, ...] = ()
    heal: Callable[[], object] | None = None


class Scene:
    """A service in operation."""

    def __init__(self, service: Service, network: Network, postgres: Server, seed: int) -> None:
        self.service = service
        self.network = network
        self.postgres = postgres
        self.random = Random(f"{seed}.victims")
        self.recent: deque[tuple[str, str]] = deque(maxlen=RECENT)  # (type, id) of the tasks created last
        self.called: set[str] = set()  # names of processes that somebody ended, or asked to end
        self.frozen: set[int] = set()  # processes that are stopped now

    def pick(self, kind: str) -> ServiceProcess:
        """A living process of this kind that is not hurt yet.

        Raises:
            NobodyThere: there is none.
        """
        healthy = [
            each for each in self.service.living(kind) if each.pid not in self.frozen and each.name not in self.called
        ]
        if not healthy:
            raise NobodyThere(kind)
        return self.random.choice(healthy)

    def freeze(self, pids: Sequence[int]) -> Callable[[], None]:
        """SIGSTOP to these, in this order; the answer thaws them."""
        self.frozen |= set(pids)
        for pid in pids:
            send(pid, signal.SIGSTOP)

        def thaw() -> None:
            for pid in pids:
                send(pid, signal.SIGCONT)
            self.frozen -= set(pids)

        return thaw


def family(pid: int) -> list[int]:
    """A process and all that come from it, itself first."""
    return [pid, *descendants(pid)]


def send(pid: int, number: signal.Signals) -> None:
    """A signal, to whoever is still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

"""All that a fault can affect: the processes, the servers, the routes between them, and recent tasks."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.acceptance.processes import descendants

if TYPE_CHECKING:
    from local.server import Server
    from tests.acceptance.processes import ServiceProcess
    from tests.acceptance.service import Service
    from tests.faults.network import Network
    from tests.faults.postgres_clock import PostgresClock

RECENT = 2000


class NoTarget(Exception):
    """There is no target for the fault at the moment."""


@dataclass(frozen=True, slots=True)
class Hit:
    """The processes that a fault affected (none: a server, or all processes), and how to end the fault."""

    pids: tuple[int, ...] = ()
    heal: Callable[[], object] | None = None


class Scene:
    """A running service."""

    def __init__(
        self, service: Service, network: Network, postgres: Server, seed: int, clock: PostgresClock
    ) -> None:  # fmt: skip
        self.service = service
        self.network = network
        self.postgres = postgres
        self.clock = clock
        self.random = Random(f"{seed}.victims")
        self.recent: deque[tuple[str, str]] = deque(maxlen=RECENT)  # (type, id) of the tasks created last
        self.signalled: set[str] = set()  # names of processes that a fault has killed or stopped
        self.frozen: set[int] = set()  # pids of processes stopped by SIGSTOP

    def pick(self, kind: str) -> ServiceProcess:
        """Return a running process of this kind that no other fault affects.

        Raises:
            NoTarget: there is none.
        """
        healthy = [
            each
            for each in self.service.living(kind)
            if each.pid not in self.frozen and each.name not in self.signalled
        ]
        if not healthy:
            raise NoTarget(kind)
        return self.random.choice(healthy)

    def freeze(self, pids: Sequence[int]) -> Callable[[], None]:
        """Send SIGSTOP to these processes, in this order; return a function that continues them."""
        self.frozen |= set(pids)
        for pid in pids:
            send(pid, signal.SIGSTOP)

        def thaw() -> None:
            for pid in pids:
                send(pid, signal.SIGCONT)
            self.frozen -= set(pids)

        return thaw


def family(pid: int) -> list[int]:
    """Return a process and all its descendants, the process first."""
    return [pid, *descendants(pid)]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal unless the process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

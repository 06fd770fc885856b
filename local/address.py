"""The port of a server on this machine: the one of the last time, if it is still free."""

import random
import socket
import time
from pathlib import Path

from local.errors import ServerError

# Below the ports that systems give to outgoing connections: a client that keeps trying a stopped server's port
# from that range sooner or later connects to itself, and the server cannot have its port back.
PORTS = range(15_000, 32_000)


def free_port(wished: int | None = None) -> int:
    """``wished`` if nobody listens there on 127.0.0.1, otherwise a free port."""
    drawn = random.sample(PORTS, k=200)
    for port in [wished, *drawn] if wished is not None else drawn:
        if is_free(port):
            return port
    raise ServerError("no free port on 127.0.0.1")


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of 127.0.0.1 now, and nobody answers there by a wider address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) != 0


def recorded_port(file: Path) -> int | None:
    """The port written down at the last start."""
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def wait_until_free(port: int, seconds: float) -> None:
    """Give a stopping server ``seconds`` to leave ``port``; returns in any case."""
    deadline = time.monotonic() + seconds
    while not is_free(port) and time.monotonic() < deadline:
        time.sleep(0.1)

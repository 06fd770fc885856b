"""Free ports on this machine; a server gets the port of its last start if that is free."""

import random
import socket
import time
from pathlib import Path

from local import ServerError

# Below the ephemeral ports: a client that keeps connecting to a stopped server's port within that range sooner or
# later gets connected to itself, and then the server cannot bind its port again.
PORTS = range(15_000, 32_000)
POLL_INTERVAL_S = 0.1


def free_port(preferred: int | None = None) -> int:
    """Return ``preferred`` if it is free on 127.0.0.1, otherwise a random free port."""
    drawn = random.sample(PORTS, k=200)
    for port in [preferred, *drawn] if preferred is not None else drawn:
        if is_free(port):
            return port
    raise ServerError("no free port on 127.0.0.1")


def is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` of 127.0.0.1, and none answers there from a wider address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) != 0


def recorded_port(file: Path) -> int | None:
    """Return the port recorded at the last start; None if there is none."""
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def wait_until_free(port: int, seconds: float) -> None:
    """Wait up to ``seconds`` until a stopping server has left ``port``; return in any case."""
    deadline = time.monotonic() + seconds
    while not is_free(port) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL_S)

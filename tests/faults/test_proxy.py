"""The proxy: it passes, waits, holds, tears and swallows as it is told, and comes back."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.faults.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 10.0


@pytest.fixture
def heard() -> list[bytes]:
    """What the server behind the proxy received."""
    return []


@pytest.fixture
def network(heard: list[bytes]) -> Iterator[Network]:
    """A way to a server that answers what it hears."""

    def echo(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while said := connection.recv(1000):
                heard.append(said)
                connection.sendall(said)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        with Network({"way": f"echo://user@127.0.0.1:{server.getsockname()[1]}"}) as made:
            yield made


@pytest.fixture
def connection(network: Network) -> Iterator[socket.socket]:
    """A connection through the proxy, in use."""
    with connect(network) as made:
        assert exchange(made, b"hello") == b"hello"
        yield made


def connect(network: Network) -> socket.socket:
    url = urlsplit(network.url("way"))
    assert url.username == "user"
    return socket.create_connection((url.hostname, url.port), timeout=PATIENCE_S)


def exchange(connection: socket.socket, said: bytes) -> bytes:
    connection.sendall(said)
    return connection.recv(1000)


def test_slow_is_later_by_the_delay_each_way(network: Network, connection: socket.socket) -> None:
    network.become("way", "slow", 0.05)
    began = time.monotonic()
    assert exchange(connection, b"slowly") == b"slowly"
    assert time.monotonic() - began >= 0.1


def test_a_hole_swallows_nothing_and_says_nothing(
    network: Network, connection: socket.socket, heard: list[bytes]
) -> None:
    network.become("way", "hole")
    connection.sendall(b"late")
    connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.recv(1000)
    with connect(network) as another:  # taken by the kernel, carried by nobody
        another.sendall(b"later")
        assert heard == [b"hello"]
        network.become("way", "open")
        for each, said in ((connection, b"late"), (another, b"later")):
            each.settimeout(PATIENCE_S)
            assert each.recv(1000) == said


def test_a_reset_tears_old_connections_and_new_ones(network: Network, connection: socket.socket) -> None:
    network.become("way", "reset")
    with pytest.raises(ConnectionError):
        assert connection.recv(1000), "the end of a stream is no reset"
    with pytest.raises(ConnectionError), connect(network) as another:
        assert exchange(another, b"anybody?"), "the end of a stream is no reset"
    network.become("way", "open")
    with connect(network) as third:
        assert exchange(third, b"again") == b"again"


def test_mute_passes_requests_and_loses_their_answers_for_good(
    network: Network, connection: socket.socket, heard: list[bytes]
) -> None:
    network.become("way", "mute")
    connection.sendall(b"do it")
    connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.recv(1000)
    assert heard == [b"hello", b"do it"]
    network.become("way", "open")
    connection.settimeout(PATIENCE_S)
    with pytest.raises(ConnectionError):
        assert connection.recv(1000), "the end of a stream is no reset"


def test_the_end_of_the_server_s_connection_is_passed_on(network: Network, connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1000) == b""

"""The proxy in each of its modes, and back in the mode `open`."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.faults.network import Network

TIMEOUT_S = 10.0


@pytest.fixture
def received() -> list[bytes]:
    """The data that the server behind the proxy received."""
    return []


@pytest.fixture
def network(received: list[bytes]) -> Iterator[Network]:
    """A route to a server that echoes what it receives."""

    def echo(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(1000):
                received.append(data)
                connection.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        with Network({"route": f"echo://user@127.0.0.1:{server.getsockname()[1]}"}) as made:
            yield made


@pytest.fixture
def connection(network: Network) -> Iterator[socket.socket]:
    """A connection through the proxy that has been used."""
    with connect(network) as made:
        assert exchange(made, b"hello") == b"hello"
        yield made


def connect(network: Network) -> socket.socket:
    url = urlsplit(network.url("route"))
    assert url.username == "user"
    return socket.create_connection((url.hostname, url.port), timeout=TIMEOUT_S)


def exchange(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return connection.recv(1000)


def test_slow_adds_the_delay_in_each_direction(network: Network, connection: socket.socket) -> None:
    network.become("route", "slow", 0.05)
    began = time.monotonic()
    assert exchange(connection, b"slowly") == b"slowly"
    assert time.monotonic() - began >= 0.1


def test_a_hole_holds_data_back_without_an_error_and_loses_none(
    network: Network, connection: socket.socket, received: list[bytes]
) -> None:
    network.become("route", "hole")
    connection.sendall(b"late")
    connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.recv(1000)
    with connect(network) as another:  # accepted by the kernel, not forwarded
        another.sendall(b"later")
        assert received == [b"hello"]
        network.become("route", "open")
        for each, data in ((connection, b"late"), (another, b"later")):
            each.settimeout(TIMEOUT_S)
            assert each.recv(1000) == data


def test_reset_resets_old_and_new_connections(network: Network, connection: socket.socket) -> None:
    network.become("route", "reset")
    with pytest.raises(ConnectionError):
        assert connection.recv(1000), "the end of a stream is not a reset"
    with pytest.raises(ConnectionError), connect(network) as another:
        assert exchange(another, b"hello?"), "the end of a stream is not a reset"
    network.become("route", "open")
    with connect(network) as third:
        assert exchange(third, b"again") == b"again"


def test_mute_passes_requests_and_loses_their_answers(
    network: Network, connection: socket.socket, received: list[bytes]
) -> None:
    network.become("route", "mute")
    connection.sendall(b"do it")
    connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.recv(1000)
    assert received == [b"hello", b"do it"]
    network.become("route", "open")
    connection.settimeout(TIMEOUT_S)
    with pytest.raises(ConnectionError):
        assert connection.recv(1000), "the end of a stream is not a reset"


def test_the_end_of_the_server_s_connection_is_passed_on(network: Network, connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1000) == b""

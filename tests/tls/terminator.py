"""Terminates TLS in front of a server without TLS, as a load balancer does; also TLS after Postgres' SSLRequest."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import Self

from app.certificates import SSL_REQUEST
from tests.tls.authority import Certificate

BUFFER = 65_536


class Terminator:
    """Listens on a free port of 127.0.0.1, and forwards what it decrypts to a port of this machine."""

    def __init__(self, certificate: Certificate, port: int, *, postgres: bool = False) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.file, certificate.key)
        self._target = ("127.0.0.1", port)
        self._postgres = postgres
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            if self._postgres:
                assert client.recv(len(SSL_REQUEST)) == SSL_REQUEST
                client.sendall(b"S")
            with (
                self._context.wrap_socket(client, server_side=True) as encrypted,
                socket.create_connection(self._target) as server,
            ):
                back = threading.Thread(target=_copy, args=(server, encrypted), daemon=True)
                back.start()
                _copy(encrypted, server)
                back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until either side ends, and then end both."""
    with suppress(OSError):
        while data := source.recv(BUFFER):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)

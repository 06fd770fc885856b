"""A server that speaks Redis' protocol, accepts every login, and answers all other commands with one error."""

from __future__ import annotations

import socketserver
import threading
from typing import Any, Self

import hiredis

GREETING = b"%1\r\n$5\r\nproto\r\n:3\r\n"
LOGIN = {b"AUTH", b"CLIENT", b"SELECT"}


class RefusingRedis(socketserver.ThreadingTCPServer):
    """Answers with the error `error`, which may be changed at any time, and counts the commands."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, error: str) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.error = error
        self.commands = 0

    @property
    def url(self) -> str:
        """The URL of this server."""
        return f"redis://{self.server_address[0]!s}:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Client(socketserver.BaseRequestHandler):
    server: RefusingRedis

    def handle(self) -> None:
        reader = hiredis.Reader()
        while data := self.request.recv(1 << 16):
            reader.feed(data)
            while (command := reader.gets()) is not False:
                self.request.sendall(self._answer(command))

    def _answer(self, command: list[Any]) -> bytes:
        name = command[0].upper()
        if name == b"HELLO":
            return GREETING
        if name in LOGIN:
            return b"+OK\r\n"
        self.server.commands += 1
        return f"-{self.server.error}\r\n".encode()

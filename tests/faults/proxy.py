"""A TCP proxy that can be told to fail: `python -m tests.faults.proxy <its address> name=host:port ...`.

It is a separate process, so that a busy harness does not slow the service down. It prints the port of each route as
JSON, then executes lines from stdin, `<route> <mode> [seconds]` or `<route> lead <host:port>`. It answers each with
`ok`, and ends when stdin ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys

CHUNK_BYTES = 1 << 16
LINGER_0 = struct.pack("ii", 1, 0)  # of SO_LINGER: closing the socket resets the connection


class Route:
    """A route from a kind of process to a server, in one of these modes.

    `open`; `slow`: each piece of data is delayed. `hole`: data is held back without an error, and arrives once the
    route is open again. `reset`: every connection, old or new, is reset. `mute`: requests pass, answers are lost.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = host, port
        self._mode = "open"
        self._delay_s = 0.0
        self._passable = asyncio.Event()
        self._passable.set()
        self._ends: set[asyncio.StreamWriter] = set()

    async def listen(self, host: str) -> int:
        """Listen on a free port; return it."""
        server = await asyncio.start_server(self._connect, host, 0, backlog=512)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def become(self, mode: str, seconds: float) -> None:
        """Set the mode. Connections that lost answers, or are to be reset, are reset."""
        if mode == "reset" or self._mode == "mute":
            for each in list(self._ends):
                _reset(each)
        self._mode, self._delay_s = mode, seconds
        if mode == "hole":
            self._passable.clear()
        else:
            self._passable.set()

    def lead(self, host: str, port: int) -> None:
        """Lead new connections to another server, as a host name does after a failover. Existing ones are kept."""
        self._upstream = host, port

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passable.wait()
        if self._mode == "reset":
            _reset(writer)
            return
        try:
            to_reader, to_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(writer)
            return
        self._ends |= {writer, to_writer}
        try:
            ways = self._pump(reader, to_writer, answers=False), self._pump(to_reader, writer, answers=True)
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in tasks:
                each.cancel()
        finally:
            self._ends -= {writer, to_writer}
            for end in (writer, to_writer):
                end.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(CHUNK_BYTES):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._passable.wait()
                if answers and self._mode == "mute":
                    continue
                sink.write(piece)
                await sink.drain()
            await self._passable.wait()


def _reset(end: asyncio.StreamWriter) -> None:
    channel = end.get_extra_info("socket")
    with contextlib.suppress(OSError):
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    end.transport.abort()


async def _execute_orders(routes: dict[str, Route]) -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        name, mode, *rest = line.decode().split()
        if mode == "lead":
            host, _, port = rest[0].rpartition(":")
            routes[name].lead(host, int(port))
        else:
            routes[name].become(mode, float(rest[0]) if rest else 0.0)
        print("ok", flush=True)


async def _serve(host: str, targets: list[str]) -> None:
    routes = {}
    for each in targets:
        name, _, address = each.partition("=")
        upstream, _, port = address.rpartition(":")
        routes[name] = Route(upstream, int(port))
    print(json.dumps({name: await route.listen(host) for name, route in routes.items()}), flush=True)
    await _execute_orders(routes)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2:]))

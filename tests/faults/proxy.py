"""A TCP proxy that can be told to break: `python -m tests.faults.proxy <its address> name=host:port ...`.

A process of its own, so that a busy harness does not make the service slow. It prints where each route listens, as
JSON, then obeys lines on stdin, `<route> <mode> [seconds]`, answering each with `ok`; it ends when stdin does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys

AT_ONCE = 1 << 16
HANG_UP_HARD = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset, as if the machine had gone


class Route:
    """One way from a kind of process to a server.

    `open`, and `slow`: each piece waits so many seconds. `hole`: nothing passes, nobody is told; what was under way
    arrives once it is open again. `reset`: every connection, old or new, is torn. `mute`: requests pass, answers are
    lost for good.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = host, port
        self._mode = "open"
        self._delay_s = 0.0
        self._passable = asyncio.Event()
        self._passable.set()
        self._ends: set[asyncio.StreamWriter] = set()

    async def listen(self, host: str) -> int:
        """The port it listens on."""
        server = await asyncio.start_server(self._connect, host, 0, backlog=512)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def become(self, mode: str, seconds: float) -> None:
        """Behave like this from now on. Connections that lost answers, or are to be reset, are torn."""
        if mode == "reset" or self._mode == "mute":
            for each in list(self._ends):
                _tear(each)
        self._mode, self._delay_s = mode, seconds
        if mode == "hole":
            self._passable.clear()
        else:
            self._passable.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passable.wait()
        if self._mode == "reset":
            _tear(writer)
            return
        try:
            to_reader, to_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            _tear(writer)
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
            while piece := await source.read(AT_ONCE):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._passable.wait()
                if answers and self._mode == "mute":
                    continue
                sink.write(piece)
                await sink.drain()
            await self._passable.wait()


def _tear(end: asyncio.StreamWriter) -> None:
    taken = end.get_extra_info("socket")
    with contextlib.suppress(OSError):
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HANG_UP_HARD)
    end.transport.abort()


async def _obey(routes: dict[str, Route]) -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        name, mode, *seconds = line.decode().split()
        routes[name].become(mode, float(seconds[0]) if seconds else 0.0)
        print("ok", flush=True)


async def _serve(host: str, wanted: list[str]) -> None:
    routes = {}
    for each in wanted:
        name, _, address = each.partition("=")
        upstream, _, port = address.rpartition(":")
        routes[name] = Route(upstream, int(port))
    print(json.dumps({name: await route.listen(host) for name, route in routes.items()}), flush=True)
    await _obey(routes)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2:]))

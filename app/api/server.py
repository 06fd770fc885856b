"""The RSGI application that granian calls: receives requests on an event loop, and answers them with Flask in threads.

A WSGI server passes on requests before their body has arrived, and reading it blocks a thread until the client has sent
it. Here a slow or incomplete body, a request that waits, and an answer that the client does not read each occupy a
connection and some memory, but no thread.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from app.api.application import RESOURCES, create_app_or_exit
from app.api.bodies import Bodies
from app.api.errors import HTTP, MEDIA_TYPE, problem_document
from app.api.exchange import Client, Exchange, set_current
from app.api.fast_path import FastPath
from app.api.middleware import request_id_of, standard_headers
from app.api.openapi.resource import BodyLimits
from app.api.services import services_of
from app.api.waiting import Waiters, look
from app.api.wsgi import FileOnDisk, call, environ_of
from app.liveness import watch_process
from app.logs import get_logger
from app.signals import STOP_SIGNALS
from app.start import EXIT_REFUSED

if TYPE_CHECKING:
    from app.api.wsgi import Answer

THREADS = 16
LOOP_LIMIT_S = 60.0
CLIENT_LEFT = 499  # nginx's code for such a request in its log; it is never sent
# After a stop signal, each answer closes its connection until no request has arrived for QUIET_S, so that a proxy does
# not send a request over a connection that is being closed.
QUIET_S, MAX_DRAIN_S = 0.5, 2.0
DRAIN_INTERVAL_S = 0.1
# Above this number of open files, most of which are connections, each answer closes its connection, so that idle
# connections do not exclude others.
CROWDED_FILES, COUNT_INTERVAL_S = 800, 1.0

log = get_logger()


def make_server() -> Server:
    """Create the application of a web process. `app.web_server` names this factory.

    If the application cannot start, the process exits with EXIT_REFUSED, so that the web server does not replace it.
    """
    try:
        app = create_app_or_exit()
    except SystemExit as refused:
        sys.stderr.write(f"{refused.code}\n")
        sys.exit(EXIT_REFUSED)
    services = services_of(app)
    return Server(
        app,
        services.stopping,
        Bodies(BodyLimits(app, RESOURCES)),
        fast_path=FastPath(app),
        waiters=Waiters(partial(look, services.engine)),
        url_prefix=services.settings.url_prefix,
    )


class Server:
    """An RSGI application (granian's own interface) around a WSGI application."""

    def __init__(
        self, application: WSGIApplication, stopping: threading.Event, bodies: Bodies, *,
        fast_path: FastPath | None = None, waiters: Waiters | None = None, url_prefix: str = "",
    ) -> None:  # fmt: skip
        self._application = application
        self._stopping = stopping
        self._bodies = bodies
        self._fast_path = fast_path
        self._waiters = waiters
        self._url_prefix = url_prefix
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self._running = 0
        self._came_at = float("-inf")
        self._is_crowded = False

    def __rsgi_init__(self, loop: Any) -> None:
        """Install the drain before granian's stop, the periodic count of open files and the watchdog.

        If the watchdog ends this process, granian starts another one.
        """
        self._count_files(loop)
        for number in STOP_SIGNALS:
            stop = loop._signal_handlers[number]  # noqa: SLF001 - granian's; asyncio has no public way to read it
            loop.add_signal_handler(number, self._drain, loop, stop)
        watch_process(self._stopping, limit_s=LOOP_LIMIT_S)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request. An unexpected exception becomes a 500 without details, as in `app.api.errors`."""
        self._came_at = time.monotonic()
        try:
            await self._answer(scope, protocol)
        except Exception:
            request_id = _request_id(scope)
            log.exception("request_crashed", method=scope.method, path=scope.path[:200], request_id=request_id)
            headers = [("Content-Type", MEDIA_TYPE), *standard_headers(request_id, hsts=False)]
            self._send(protocol, (500, headers, problem_document(HTTP[500], request_id)))
        if self._waiters and scope.method != "GET":
            self._waiters.hurry()

    async def _answer(self, scope: Any, protocol: Any) -> None:
        if self._fast_path and (headers := self._fast_path.headers(scope)):
            async with self._bodies.read(protocol, int(headers["content-length"]), exact=True) as body:
                answer = await self._fast_path.answer(scope, headers, body) if isinstance(body, bytes) else body
                if isinstance(answer, tuple):
                    self._send(protocol, answer)
                else:
                    await self._answer_in_thread(environ_of(scope, self._url_prefix), protocol, answer or body)
            return
        environ = environ_of(scope, self._url_prefix)
        size = self._bodies.size(environ)
        if not size:
            await self._answer_in_thread(environ, protocol, b"")
            return
        async with self._bodies.read(protocol, size, exact="CONTENT_LENGTH" in environ) as body:
            await self._answer_in_thread(environ, protocol, body)

    async def _answer_in_thread(self, environ: WSGIEnvironment, protocol: Any, body: bytes | Exception) -> None:
        """Answer with Flask. If `body` is an exception, reading it raises. A held answer occupies no thread."""
        client = Client(protocol)
        exchange = Exchange(client, self._waiters)
        make = partial(self._make_answer, exchange, environ, body)
        try:
            answer = await self._in_thread(make, client)
            while exchange.is_held and not client.is_gone:
                await exchange.turn(client.watch())
                answer = await self._in_thread(make, client)
            if answer is None or client.is_gone:
                await self._give_up(exchange)
            else:
                self._send(protocol, answer)
        finally:
            client.stop()
            exchange.end()

    async def _in_thread(self, make: Callable[[], Answer | None], client: Client) -> Answer | None:
        """Compute the answer in a thread; None if the client disconnects before a thread is free."""
        if self._running >= THREADS:
            client.watch()
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, make)
        finally:
            self._running -= 1

    def _make_answer(self, exchange: Exchange, environ: WSGIEnvironment, body: bytes | Exception) -> Answer | None:
        if exchange.client_is_gone:
            return None
        set_current(exchange)
        try:
            return call(self._application, environ, body)
        finally:
            set_current(None)

    async def _give_up(self, exchange: Exchange) -> None:
        """End a request whose client has left, so that nothing is claimed for it."""
        if exchange.undo:
            await asyncio.get_running_loop().run_in_executor(self._threads, exchange.undo)
        if exchange.is_held and exchange.log_as:
            exchange.log_as(status=CLIENT_LEFT)

    def _send(self, protocol: Any, answer: Answer) -> None:
        status, headers, content = answer
        if self._is_crowded or self._stopping.is_set():
            headers = [*headers, ("Connection", "close")]
        if isinstance(content, FileOnDisk):
            protocol.response_file(status, headers, content.path)
        else:
            protocol.response_bytes(status, headers, content)

    def _count_files(self, loop: Any) -> None:
        with suppress(OSError):  # no /dev/fd
            self._is_crowded = len(os.listdir("/dev/fd")) > CROWDED_FILES  # noqa: PTH208 - as names, not as paths
        loop.call_later(COUNT_INTERVAL_S, self._count_files, loop)

    def _drain(self, loop: Any, stop: Any) -> None:
        """Answer waiting requests, and stop granian when no more requests arrive. A second signal has no effect."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._waiters:
            self._waiters.close()
        now = time.monotonic()
        has_served = self._came_at > float("-inf")
        self._came_at = now
        self._stop_when_quiet(loop, stop, now + MAX_DRAIN_S if has_served else now)

    def _stop_when_quiet(self, loop: Any, stop: Any, latest: float) -> None:
        if (now := time.monotonic()) >= latest or now - self._came_at >= QUIET_S:
            stop._run()  # noqa: SLF001 - as in `__rsgi_init__`
        else:
            loop.call_later(DRAIN_INTERVAL_S, self._stop_when_quiet, loop, stop, latest)


def _request_id(scope: Any) -> str:
    """Return the id of a request, even if its headers cannot be read."""
    try:
        return request_id_of(scope.headers.get("x-request-id"))
    except Exception:  # noqa: BLE001 - that may be why it crashed
        return request_id_of(None)

"""The `web` process: granian with our options, its stop signals handled in a thread, and SCHED_BATCH.

granian's own handlers set an event in the main thread, which may hold the lock of that event: if a signal arrives as a
worker process ends, as when both are told to stop, the main thread would deadlock with itself.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.errors import FatalError
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from app.config import read_settings
from app.errors import InvalidSetting
from app.signals import run_in_thread

FACTORY = "app.api.server:make_server"
HEADER_TIMEOUT_MS = 15_000  # also ends connections without a request
BACKLOG, MAX_CONNECTIONS = 2048, 1024  # of each worker process; more wait in the backlog
KILL_TIMEOUT_S = 8
REPEAT_STOP_S = 0.25


class WebServer(MPServer):
    """Starts, watches and stops the worker processes."""

    def __init__(self, *options: Any, **named: Any) -> None:
        super().__init__(*options, **named)
        self._main = os.getpid()
        self._on_signal = run_in_thread(self._stop)

    def signal_handler_interrupt(self, *_: object, **__: object) -> None:
        """Have the thread stop the server. A worker process that is still starting has this handler, too: it exits."""
        if os.getpid() != self._main:
            os._exit(0)
        self._on_signal()

    def _stop(self) -> None:
        while True:  # repeated, because granian clears the event when it has replaced a worker
            super().signal_handler_interrupt()  # type: ignore[no-untyped-call]
            time.sleep(REPEAT_STOP_S)


def serve(factory: str = FACTORY) -> None:
    """Serve the application that `factory` makes, on HOST and PORT in WEB_PROCESSES processes, until told to stop.

    `factory` is "module:function"; benchmarks and fault tests name another one.
    """
    try:
        settings = read_settings()
    except InvalidSetting as wrong:
        sys.exit(f"The web process does not start: {wrong}")
    _prefer_throughput()
    server = WebServer(
        factory,
        factory=True,
        interface=Interfaces.RSGI,
        address=settings.host,
        port=settings.port,
        workers=settings.web_processes,
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_TIMEOUT_S,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,
        http=HTTPModes.http1,  # platforms' routers speak nothing else, and granian waits for the first byte to choose
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        websockets=False,
        log_level=LogLevels.error,
    )
    try:
        server.serve()
    except FatalError:
        sys.exit(1)


def _prefer_throughput() -> None:
    """Let a running thread of these processes finish its time slice when another one is woken.

    Each request wakes several threads of a web process. Linux only; see SCHED_BATCH in sched(7).
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    serve()

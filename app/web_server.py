"""The `web` process: granian with our options, its stop signals handled in a thread, and SCHED_BATCH.

granian's own handlers set an event in the main thread, which may hold the lock of that event: if a signal arrives as a
worker process ends, as when both are told to stop, the main thread would deadlock with itself.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.errors import FatalError
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer, WorkerProcess

from app.config import listen_address, read_settings
from app.errors import InvalidSetting
from app.signals import run_in_thread
from app.start import EXIT_REFUSED, sentence_instead_of_traceback
from app.streams import open_missing_streams

FACTORY = "app.api.server:make_server"
BACKLOG, MAX_CONNECTIONS = 2048, 1024  # of each worker process; more wait in the backlog
OTHER_FILES = 200  # of a worker process: connections to the servers, files that it sends, modules
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

    def _spawn_worker(self, *options: Any, **named: Any) -> WorkerProcess:
        worker = super()._spawn_worker(*options, **named)
        worker._watcher = partial(self._watch, worker, worker._watcher)  # type: ignore[method-assign]  # noqa: SLF001
        return worker

    def _watch(self, worker: WorkerProcess, watch: Callable[[], None]) -> None:
        """Wait for the end of a worker process. One that could not start has printed why, and is not replaced."""
        worker.inner.join()
        if worker.inner.exitcode == EXIT_REFUSED:
            self.respawn_failed_workers = False
            self.interrupt_children.append(worker.idx)  # the exit code becomes 1
            self.main_loop_interrupt.set()
        else:
            watch()

    def _stop(self) -> None:
        while True:  # repeated, because granian clears the event when it has replaced a worker
            super().signal_handler_interrupt()  # type: ignore[no-untyped-call]
            time.sleep(REPEAT_STOP_S)


def serve(factory: str = FACTORY) -> None:
    """Serve the application that `factory` makes, on HOST and PORT in WEB_PROCESSES processes, until told to stop.

    `factory` is "module:function"; benchmarks and fault tests name another one.
    """
    open_missing_streams()
    with sentence_instead_of_traceback("web"):
        settings = read_settings()
        settings.require_secret()
        address = listen_address(settings.host)
        _require_free(address, settings.port)
    if settings.web_processes > 1 and factory == FACTORY:
        _check_once()
    _prefer_throughput()
    server = WebServer(
        factory,
        factory=True,
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,  # `app.api.server` needs its signal handlers
        address=address,
        port=settings.port,
        workers=settings.web_processes,
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_TIMEOUT_S,
        backlog=BACKLOG,
        backpressure=_files() - OTHER_FILES,
        http=HTTPModes.http1,  # platforms' routers speak nothing else, and granian waits for the first byte to choose
        http1_settings=HTTP1Settings(header_read_timeout=int(settings.keep_alive_s * 1000)),
        websockets=False,
        log_level=LogLevels.error,
    )
    try:
        server.serve()
    except FatalError:
        sys.exit(1)


def _require_free(address: str, port: int) -> None:
    """Check that HOST and PORT can be used. granian itself would end with a traceback.

    Raises:
        InvalidSetting: another process listens there, the address is not of this machine, or the port needs a right.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((address, port))
            tried.listen()
    except OSError as wrong:
        raise InvalidSetting(f"HOST and PORT: {os.strerror(wrong.errno or 0)}.") from None


def _check_once() -> None:
    """Create the application once in a separate process, so that an error is printed once, not by each process."""
    code = "from app.api.application import create_app_or_exit as create; create(announce=False)"
    checked = subprocess.run([sys.executable, "-c", code], check=False)
    if checked.returncode:
        sys.exit(checked.returncode)


def _files() -> int:
    """Return how many files each process may open, after raising the limit if it is too low.

    Without a free descriptor, granian would try to accept the next connection in a busy loop.
    """
    wanted = MAX_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _prefer_throughput() -> None:
    """Let a running thread of these processes finish its time slice when another one is woken.

    Each request wakes several threads of a web process. Linux only; see SCHED_BATCH in sched(7).
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    serve()

"""The `web` process: granian's command, but a thread hears SIGINT and SIGTERM, and who is woken waits for its turn.

granian's own handlers set an event in the main thread, which may hold the event's lock: where a signal comes as a
worker process ends, as when both are told to stop, it would wait for itself for ever.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Any

from granian import cli
from granian.server.mp import MPServer

from app.signals import run_in_thread

AGAIN_S = 0.25


class WebServer(MPServer):
    """Starts, watches and stops the worker processes that load `app.api.front`."""

    def __init__(self, *options: Any, **named: Any) -> None:
        super().__init__(*options, **named)
        self._main = os.getpid()
        self._hear = run_in_thread(self._stop)

    def signal_handler_interrupt(self, *_: object, **__: object) -> None:
        """Have the thread hear of it. A worker process that still starts has this handler, and no request: it ends."""
        if os.getpid() != self._main:
            os._exit(0)
        self._hear()

    def _stop(self) -> None:
        while True:  # again, for granian clears the event when it has replaced a worker
            super().signal_handler_interrupt()  # type: ignore[no-untyped-call]
            time.sleep(AGAIN_S)


def prefer_throughput() -> None:
    """A thread of this process, or of its children, that is woken lets the one that runs go on for its turn.

    Each request wakes several threads of a web process. Linux only; see SCHED_BATCH in sched(7).
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    prefer_throughput()
    cli.Server = WebServer  # type: ignore[attr-defined]
    cli.entrypoint()  # type: ignore[no-untyped-call]

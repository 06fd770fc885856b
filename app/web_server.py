"""The `web` process: the command of granian, but a thread hears its signals.

granian's own handlers set an event, and an event's lock may be held by the thread that they interrupt: where a signal
comes as a worker process ends, as when both are told to stop, the main thread would wait for itself for ever.
"""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import Any

from granian import cli
from granian.server.mp import MPServer

AGAIN_S = 0.25


class WebServer(MPServer):
    """Starts, watches and stops the worker processes that load `app.api.front`."""

    def startup(self, *what: Any) -> None:
        """Begin to listen for signals, and start the workers."""
        self._heard: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._listen, name="signals", daemon=True).start()
        super().startup(*what)  # type: ignore[no-untyped-call]

    def signal_handler_interrupt(self, *_: object, **__: object) -> None:
        """Have the thread hear of it: `SimpleQueue.put` is made for handlers."""
        self._heard.put(None)

    def _listen(self) -> None:
        self._heard.get()
        while True:  # again, for granian clears the event when it has replaced a worker
            super().signal_handler_interrupt()  # type: ignore[no-untyped-call]
            time.sleep(AGAIN_S)


if __name__ == "__main__":
    cli.Server = WebServer  # type: ignore[attr-defined]
    cli.entrypoint()  # type: ignore[no-untyped-call]

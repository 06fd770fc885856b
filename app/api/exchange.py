"""The state of one request that the server's event loop and the view in its thread share.

`app.api.server` creates one for each request. Without it, as in tests of the WSGI application, no request waits.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.api.waiting import MAX_HELD_S
from app.logs import get_logger

if TYPE_CHECKING:
    from app.api.waiting import Condition, TasksDue, Waiter, Waiters

log = get_logger()

_of_thread = threading.local()


class Client:
    """Detects that a client has closed its connection before it was answered.

    Behind a proxy that keeps its connection when its own client disconnects, this is not detected. granian notifies
    only one watcher of each connection, so a watcher must end with its request.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the client is known to have left."""
        return self._gone is not None and self._gone.done()

    def watch(self) -> asyncio.Future[None]:
        """Start watching; return a future that is resolved when the client disconnects."""
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._until_gone())
        return self._gone

    def watch_from_thread(self) -> None:
        """Start watching, from another thread."""
        self._loop.call_soon_threadsafe(self.watch)

    async def _until_gone(self) -> None:
        try:
            await self._protocol.client_disconnect()
        except Exception:
            log.exception("client_not_watched")
            await asyncio.Event().wait()

    def stop(self) -> None:
        """Stop watching."""
        if self._gone is not None:
            self._gone.cancel()


class Exchange:
    """The state of one request."""

    __slots__ = ("_client", "_waiters", "began", "counted", "is_held", "log_as", "request_id", "undo", "waiter")

    def __init__(self, client: Client | None = None, waiters: Waiters | None = None) -> None:
        self.began = time.perf_counter()
        self.request_id: str | None = None
        self.counted: Any = None  # result of the request limit
        self.waiter: Waiter | None = None
        self.is_held = False
        self.undo: Callable[[], object] | None = None
        self.log_as: Callable[..., None] | None = None  # logs the request with a status, once the client has left
        self._client = client
        self._waiters = waiters

    @property
    def client_is_gone(self) -> bool:
        """Whether the client is known to have left."""
        return self._client is not None and self._client.is_gone

    def watch_client(self) -> None:
        """Start watching the client."""
        if self._client is not None:
            self._client.watch_from_thread()

    def is_behind(self, wanted: TasksDue) -> bool:
        """Return whether earlier requests wait for a task that this one could take."""
        return self.waiter is None and self._waiters is not None and self._waiters.are_before(wanted)

    @property
    def has_nothing(self) -> bool:
        """Whether the wait is over and the last check found nothing for this request."""
        return self.waiter is not None and self.waiter.has_nothing

    def hold(self, condition: Condition, *, within_s: float) -> None:
        """Have the server hold this answer, and call the view again when the condition is true or the time is over.

        Raises:
            TooManyWaiting
        """
        if self._waiters is None:
            return
        if self.waiter is None:
            passed = time.perf_counter() - self.began
            self.waiter = self._waiters.join(condition, within_s=min(within_s, MAX_HELD_S) - passed)
        self.is_held = self.waiter is not None and not self.waiter.is_over

    async def turn(self, gone: asyncio.Future[None]) -> None:
        """Wait until the view should be called again. Its next answer is sent, unless it calls `hold` again."""
        if self._waiters and self.waiter:
            await self._waiters.turn(self.waiter, gone)
        self.is_held = gone.done()

    def end(self) -> None:
        """Give up the place among the waiting requests."""
        if self._waiters and self.waiter:
            self._waiters.leave(self.waiter)


def set_current(exchange: Exchange | None) -> None:
    """Set the exchange that this thread answers."""
    _of_thread.exchange = exchange


def current_exchange() -> Exchange:
    """Return the exchange that this thread answers; a new one without `app.api.server`."""
    found: Exchange | None = getattr(_of_thread, "exchange", None)
    return found or Exchange()

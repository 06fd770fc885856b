"""One request and its answer, as the server's event loop and the view in its thread share them.

`app.api.server` makes one for each request. Without it, as in tests of the WSGI application, nothing is waited for.
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
    """Notices that a client has closed its connection before it had its answer.

    Behind a proxy that keeps the connection when its own client leaves, nothing is noticed. granian wakes one watcher
    for each connection, so that a watcher must end with its request.
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
        """Watch from now on; return what is resolved when the client leaves."""
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._until_gone())
        return self._gone

    def watch_from_thread(self) -> None:
        """Watch from now on."""
        self._loop.call_soon_threadsafe(self.watch)

    async def _until_gone(self) -> None:
        try:
            await self._protocol.client_disconnect()
        except Exception:
            log.exception("client_not_watched")
            await asyncio.Event().wait()

    def stop(self) -> None:
        """Watch no longer."""
        if self._gone is not None:
            self._gone.cancel()


class Exchange:
    """One request and its answer."""

    __slots__ = ("_client", "_waiters", "began", "counted", "is_held", "log_as", "request_id", "undo", "waiter")

    def __init__(self, client: Client | None = None, waiters: Waiters | None = None) -> None:
        self.began = time.perf_counter()
        self.request_id: str | None = None
        self.counted: Any = None  # by the limit of requests
        self.waiter: Waiter | None = None
        self.is_held = False
        self.undo: Callable[[], object] | None = None
        self.log_as: Callable[..., None] | None = None  # a status, once the client has left
        self._client = client
        self._waiters = waiters

    @property
    def client_is_gone(self) -> bool:
        """Whether the client is known to have left."""
        return self._client is not None and self._client.is_gone

    def watch_client(self) -> None:
        """Notice from now on if the client leaves."""
        if self._client is not None:
            self._client.watch_from_thread()

    def is_behind(self, wanted: TasksDue) -> bool:
        """Return whether requests that came before wait for a task that this one would take, too."""
        return self.waiter is None and self._waiters is not None and self._waiters.are_before(wanted)

    @property
    def has_nothing(self) -> bool:
        """Whether its wait ended with a look that found nothing for it."""
        return self.waiter is not None and self.waiter.has_nothing

    def hold(self, condition: Condition, *, within_s: float) -> None:
        """Have the server hold this answer, and call the view again when the condition is met or the time is over.

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
        """Wait until the view should make its answer again. The next answer is not held, unless it asks for it."""
        if self._waiters and self.waiter:
            await self._waiters.turn(self.waiter, gone)
        self.is_held = gone.done()

    def end(self) -> None:
        """Wait no longer."""
        if self._waiters and self.waiter:
            self._waiters.leave(self.waiter)


def set_current(exchange: Exchange | None) -> None:
    """Make it the exchange that this thread answers."""
    _of_thread.exchange = exchange


def current_exchange() -> Exchange:
    """Return the exchange of the request that this thread answers; a new one without our server."""
    found: Exchange | None = getattr(_of_thread, "exchange", None)
    return found or Exchange()

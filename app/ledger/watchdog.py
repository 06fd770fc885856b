"""Circuit breaker for an unresponsive Postgres, and the watchdog thread that opens and closes it.

A frozen server keeps its connections open, and its kernel acknowledges what is sent. Neither statement_timeout nor a
TCP timeout ends a call then. Therefore, if a call has waited for SUSPICION_S and no other call was answered meanwhile,
the watchdog probes the server on a new connection. If there is no reply either, the breaker opens: the watchdog aborts
the waiting calls, and new calls are refused until a probe is answered.

DATABASE_URL may name several hosts. Each is probed: the calls to a host without a reply are aborted, so that they are
repeated on another one, and the breaker opens when no host replies.

A call has no deadline, because a long call to a server that answers must not be aborted: a list runs several
statements, and a commit that waits for a synchronous standby would take effect after its outcome is lost.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import event

from app.errors import LedgerUnchanged
from app.logs import get_logger
from app.postgres_sessions import abort

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

log = get_logger()

SUSPICION_S = 2.0
PROBE_TIMEOUT_S = 2.0
POLL_INTERVAL_S = 0.5
DEFAULT_PORT = "5432"


class CircuitOpen(LedgerUnchanged):
    """Postgres does not answer. Nothing was done: repeat the request in a moment."""


@dataclass(frozen=True, slots=True)
class Target:
    """A host of the URL, and how to connect to it alone."""

    host: str
    port: str
    conninfo: str

    def serves(self, driver: Any) -> bool:
        """Return whether this is a connection to this host."""
        return (driver.info.host, str(driver.info.port)) == (self.host, self.port)


@dataclass(slots=True, eq=False)
class Call:
    """A call in progress. `driver` is None while it has no connection."""

    began: float
    driver: Any = None


class CircuitBreaker:
    """The calls to one server that are in progress, and whether new ones are refused."""

    def __init__(
        self, url: str, *, probe: Callable[[str], bool], clock: Callable[[], float] = time.monotonic,
        targets: Sequence[Target] = (),
    ) -> None:  # fmt: skip
        """`targets` are the hosts of the URL, if there are several."""
        self.url = url
        self._targets = targets
        self._probe = probe
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: set[Call] = set()
        self._replied_at = self._probed_at = float("-inf")
        self._is_open = False

    @contextmanager
    def connected(self, engine: Engine) -> Iterator[Connection]:
        """Open a connection, which the watchdog may abort while it is used.

        Raises:
            CircuitOpen: the breaker is open.
        """
        if self._is_open:
            raise CircuitOpen
        call = Call(self._clock())
        with self._lock:
            self._calls.add(call)
        try:
            with engine.connect() as connection:
                driver = call.driver = connection.connection.dbapi_connection
                try:
                    yield connection
                    self._replied_at = self._clock()
                except psycopg.Error:
                    if driver is not None and driver.closed:
                        connection.invalidate()
                    raise
                finally:
                    with self._lock:  # while the connection is still ours: an abort must not hit the next user
                        call.driver = None
        finally:
            with self._lock:
                self._calls.discard(call)

    def refuse_if_open(self, *_: object) -> None:
        """Refuse a new connection for a call that was waiting for a connection of the pool.

        Raises:
            CircuitOpen: the breaker is open.
        """
        if self._is_open:
            raise CircuitOpen

    def check(self) -> None:
        """Probe the server if it is suspected or the breaker is open; then open or close the breaker."""
        now = self._clock()
        if not self._is_open and not self._is_suspect(now):
            return
        self._probed_at = now
        was_open = self._is_open
        self._is_open = not self._responds() and self._replied_at <= now
        if self._is_open:
            self._abort_calls(begun_before=self._clock() - SUSPICION_S)
        if self._is_open and not was_open:
            log.warning("postgres_unresponsive")
        if was_open and not self._is_open:
            log.info("postgres_responsive")

    def _responds(self) -> bool:
        """Probe each host, and abort old calls to those that do not reply. Return whether any did."""
        if not self._targets:
            return self._probe(self.url)
        silent = [each for each in self._targets if not self._probe(each.conninfo)]
        for each in silent:
            self._abort_calls(begun_before=self._clock() - SUSPICION_S, at=each)
        return len(silent) < len(self._targets)

    def _is_suspect(self, now: float) -> bool:
        with self._lock:
            oldest = min((each.began for each in self._calls), default=now)
        return now - max(oldest, self._replied_at, self._probed_at) >= SUSPICION_S

    def _abort_calls(self, *, begun_before: float, at: Target | None = None) -> None:
        with self._lock:
            for each in self._calls:
                if each.driver is not None and each.began <= begun_before and (at is None or at.serves(each.driver)):
                    abort(each.driver)


def responds(url: str, *, within_s: float = PROBE_TIMEOUT_S) -> bool:
    """Probe a server on a new connection. Any reply counts, even a refusal.

    It runs in a thread, because nothing limits the time that the resolver takes.
    """
    replied = threading.Event()
    threading.Thread(target=_probe, args=(url, within_s, replied), name="watchdog-probe", daemon=True).start()
    return replied.wait(within_s)


def _probe(url: str, within_s: float, replied: threading.Event) -> None:
    async def select() -> None:
        async with await psycopg.AsyncConnection.connect(url, application_name="punctual watchdog") as connection:
            await connection.execute("SELECT 1")

    try:
        asyncio.run(asyncio.wait_for(select(), within_s))
    except (TimeoutError, psycopg.errors.ConnectionTimeout):
        return
    except (psycopg.Error, OSError):
        pass
    replied.set()


class Watchdog:
    """The breakers of this process, one for each server, and the thread that checks them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.breakers: WeakKeyDictionary[Engine, CircuitBreaker] = WeakKeyDictionary()
        self._thread: threading.Thread | None = None

    def breaker(self, engine: Engine) -> CircuitBreaker:
        """Return the breaker of the server that `engine` connects to. Engines with the same URL share it."""
        url, targets = addresses(engine)
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                thread.start()
                self._thread = thread
            shared = next((each for each in self.breakers.values() if each.url == url), None)
            if engine not in self.breakers:
                self.breakers[engine] = shared or CircuitBreaker(url, probe=responds, targets=targets)
                event.listen(engine, "do_connect", self.breakers[engine].refuse_if_open)
            return self.breakers[engine]

    def step(self) -> bool:
        """Check all breakers. Return False, because nothing more is due until the next check."""
        with self._lock:
            breakers = set(self.breakers.values())
        for each in breakers:
            try:
                each.check()
            except Exception:
                log.exception("watchdog_failed")
        return False

    def _run(self) -> None:
        while True:
            time.sleep(POLL_INTERVAL_S)
            self.step()


def addresses(engine: Engine) -> tuple[str, list[Target]]:
    """Return how to connect to the server of this engine, and its hosts if there are several."""
    _, named = engine.dialect.create_connect_args(engine.url)
    parameters = {name: str(value) for name, value in named.items() if isinstance(value, str | int)}
    hosts, ports = parameters.get("host", "").split(","), parameters.get("port", DEFAULT_PORT).split(",")
    if len(hosts) < 2:  # noqa: PLR2004
        return make_conninfo(**parameters), []
    pairs = zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=False)
    return make_conninfo(**parameters), [
        Target(host, port or DEFAULT_PORT, make_conninfo(**parameters | {"host": host, "port": port}))
        for host, port in pairs
    ]


_watchdog = Watchdog()


def connected(engine: Engine) -> AbstractContextManager[Connection]:
    """Open a connection as `CircuitBreaker.connected`, guarded by the watchdog of this process."""
    breaker = _watchdog.breakers.get(engine) or _watchdog.breaker(engine)
    return breaker.connected(engine)


def _replace_watchdog() -> None:
    """Start a new watchdog after a fork, which threads do not survive and during which one may hold a lock."""
    global _watchdog  # noqa: PLW0603  # one for each process
    _watchdog = Watchdog()


os.register_at_fork(after_in_child=_replace_watchdog)

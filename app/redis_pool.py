"""Connections to Redis that are replaced when their server refuses to work, or when one of them is lost.

After a failover, the old primary keeps its connections and answers each write with an error. A server that is loading
its data, is full, or cannot save refuses as well. Meanwhile the name in REDIS_URL may resolve to another server. So
such a reply closes all connections of the pool, and the next command resolves the name again. A lost connection has the
same effect, because the others may still be connected to the old server; on a subscription nothing would fail. An error
about the command alone, such as a key of the wrong type, closes no connection.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from redis import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.connection import AbstractConnection
from redis.exceptions import RedisError

REFUSALS = frozenset({
    "ASK", "BUSY", "CLUSTERDOWN", "DENIED", "LOADING", "MASTERDOWN", "MISCONF", "MOVED", "NOAUTH", "NOPERM",
    "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN", "UNBLOCKED", "WRONGPASS",
})  # fmt: skip
"""Error codes of a server that cannot work now, or not for this user, regardless of the command's arguments."""

GENERAL = "ERR"
FIRST_WORD = re.compile(r"([A-Z]{3,})\b")
# Before Redis 7 the error of a command in a script is quoted: "Error running script ...: -READONLY You can't write".
QUOTED_WORD = re.compile(r"-([A-Z]{3,})\b")


class ReplacingPool(ConnectionPool):
    """A pool that replaces all of its connections when one was lost, or its server refuses to work.

    `generation` counts the replacements; each connection has the generation in which it was opened.
    """

    generation = 0

    def make_connection(self) -> Any:
        """Make a connection that reports to this pool."""
        connection: Any = super().make_connection()
        connection.pool = self
        return connection

    def release(self, connection: Any) -> None:
        """Take a connection back; close it if its server refused. Not earlier, because a pipeline reads all replies."""
        if connection.is_refused:
            connection.is_refused = False
            connection.disconnect()
        super().release(connection)

    def replace_all(self, except_for: Any = None) -> None:
        """Close idle connections now, and those in use after their command. Subscriptions are renewed."""
        with self._lock:
            self.generation += 1
            self.disconnect(inuse_connections=False)
            for each in self._in_use_connections:
                if each is not except_for and not each.is_refused:
                    each.mark_for_reconnect()


class _Reporting(AbstractConnection):
    """A connection that adds the server's error code to each error and reports refusals to its pool."""

    pool: ReplacingPool | None = None
    generation: int | None = None
    is_refused = False
    _is_greeting = False

    def _connect(self) -> Any:
        """Open the socket. If this connection was open before and the pool did not close it, it was lost."""
        opened = super()._connect()  # type: ignore[no-untyped-call, safe-super]
        if self.pool is not None:
            if self.generation == self.pool.generation:
                self.pool.replace_all(except_for=self)
            self.generation = self.pool.generation
        return opened

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  # redis-py's signature
        """Log in. A refusal here affects this connection alone: a restricted user may lack optional commands."""
        self._is_greeting = True
        try:
            super().on_connect_check_health(check_health)
        finally:
            self._is_greeting = False

    def read_response(self, *how: Any, **options: Any) -> Any:
        """Read one reply.

        Raises:
            RedisError: `status_code` is the error code of the server, such as READONLY.
        """
        try:
            return super().read_response(*how, **options)
        except RedisError as error:
            error.status_code = _word(error)
            if is_refusal(error) and self.pool is not None and not self._is_greeting:
                self.is_refused = True
                self.pool.replace_all()
            raise


class PlainConnection(_Reporting, Connection):
    """A connection over TCP."""


class TlsConnection(_Reporting, SSLConnection):
    """A connection over TLS."""


class SocketConnection(_Reporting, UnixDomainSocketConnection):
    """A connection over a Unix socket."""


CONNECTIONS = {"redis": PlainConnection, "rediss": TlsConnection, "unix": SocketConnection}


def client(url: str, **options: Any) -> Redis:
    """Return a client with a pool that replaces its connections."""
    kind = CONNECTIONS[urlsplit(url).scheme]
    return Redis.from_pool(ReplacingPool.from_url(url, connection_class=kind, **options))


def is_refusal(error: BaseException) -> bool:
    """Return whether the server refused to work, for a reason other than the contents of its keys."""
    return isinstance(error, RedisError) and error.status_code in REFUSALS


def name_of(error: RedisError) -> str:
    """Return the server's error code, such as READONLY, otherwise the name of the error's class."""
    word = error.status_code
    return type(error).__name__ if word in {None, GENERAL} else str(word)


def _word(error: RedisError) -> str | None:
    """Return the server's error code. redis-py removes some of them from the text."""
    word, text = error.status_code, str(error)
    if word is None and (found := FIRST_WORD.match(text)):
        word = found[1]
    if word in {None, GENERAL} and (quoted := QUOTED_WORD.search(text)) and quoted[1] in REFUSALS:
        word = quoted[1]
    return word

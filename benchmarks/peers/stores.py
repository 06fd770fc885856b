"""A fresh Postgres and a fresh Valkey for all peers, with a database for each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier
from redis import Redis

from benchmarks.peers.peer import Peer
from local import postgres, valkey

if TYPE_CHECKING:
    from psycopg.sql import Composed

FREE_S = 5.0
FLUSH_AT_ONCE = ["lazyfree-lazy-user-flush no"]
SIZE = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


class Store(Protocol):
    """The store of one peer."""

    url: str

    def empty(self) -> None:
        """Restore the contents that `keep_set_up` saved."""

    def keep_set_up(self) -> None:
        """Save the contents, which each `empty` restores; the peer must not be connected."""

    def used_bytes(self) -> int:
        """Memory of the server, or size of the tables with their indexes."""


class RedisStore:
    """A numbered database; memory is counted for the whole server, which is otherwise idle."""

    def __init__(self, server_url: str, number: int) -> None:
        self.url = urlsplit(server_url)._replace(path=f"/{number}").geturl()
        self._client = Redis.from_url(self.url)

    def empty(self) -> None:
        """Delete everything and free the memory at once."""
        self._client.flushdb()

    def keep_set_up(self) -> None:
        """Do nothing: nothing is set up in Redis."""

    def used_bytes(self) -> int:
        """`used_memory`."""
        return int(self._client.info("memory")["used_memory"])


class PostgresStore:
    """A database, copied from a template after the peer made its tables."""

    def __init__(self, server_url: str, name: str) -> None:
        self._server_url, self._name = server_url, name
        self._template = "template1"
        self.url = urlsplit(server_url)._replace(path=f"/{name}").geturl()

    def empty(self) -> None:
        """Drop it in spite of connections, and create it again."""
        name, template = Identifier(self._name), Identifier(self._template)
        self._execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        self._execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(name, template))

    def keep_set_up(self) -> None:
        """Copy it as the template of `empty`."""
        template = f"{self._name}_set_up"
        self._execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(template), Identifier(self._name)))
        self._template = template

    def used_bytes(self) -> int:
        """Tables, their indexes and what is stored beside them."""
        with psycopg.connect(self.url) as connection:
            (size,) = connection.execute(SIZE).fetchone() or (0,)
        return int(size)

    def _execute(self, statement: Composed) -> None:
        """Execute a statement, once ending sessions are gone: a database with a session cannot be copied."""
        deadline = time.monotonic() + FREE_S
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            while True:
                try:
                    connection.execute(statement)
                except psycopg.errors.ObjectInUse:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
                else:
                    return


@contextmanager
def fresh_stores(peers: list[Peer]) -> Iterator[dict[str, Store]]:
    """Run a store for each peer, as durable as in the service's own benchmarks; all are deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="punctual-peers-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # Postgres may run as another user
        started = valkey.start(Path(folder, "valkey"), more=FLUSH_AT_ONCE)
        with started as memory, postgres.start(Path(folder, "postgres")) as tables:
            try:
                yield {
                    peer.name: RedisStore(memory.url, number)
                    if peer.store == "redis"
                    else PostgresStore(tables.url, peer.name)
                    for number, peer in enumerate(peers, start=1)
                }
            finally:
                tables.discard()
                memory.discard()

"""Two Redis servers behind one address, which leads to the primary. A failover exchanges their roles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from redis import Redis

from local import valkey
from tests.faults.network import Network
from tests.restricted import acl_line, as_user

if TYPE_CHECKING:
    from local.server import Server


class RedisPair:
    """The servers `primary` and `other`, and a proxy for each of `names`. A connection stays with its server."""

    def __init__(self, directory: Path, names: tuple[str, ...] = ("redis",)) -> None:
        self.primary, self.other = (
            valkey.start(directory / each, fast=True, more=[acl_line()]) for each in ("first", "second")
        )
        self._names = names
        self.network = Network(dict.fromkeys(names, self.primary.url))

    def url(self, name: str = "redis") -> str:
        """Return a URL with the service's user that leads through a proxy."""
        return as_user(self.network.url(name))

    def lead(self, url: str) -> None:
        """Lead new connections to the server of this URL."""
        for name in self._names:
            self.network.lead(name, url)

    def replicate(self, replica: Server, primary: Server) -> None:
        """Make one server a replica of the other. It keeps its connections."""
        of = urlsplit(primary.url)
        with owner(replica) as client:
            client.config_set("masterauth", of.password or "")
            client.execute_command("REPLICAOF", of.hostname, of.port)

    def promote(self, server: Server) -> None:
        """Make a replica a primary."""
        with owner(server) as client:
            client.execute_command("REPLICAOF", "NO", "ONE")

    def fail_over(self) -> None:
        """Make the old primary a replica, which keeps its connections, and lead the name to the other server."""
        self.promote(self.other)
        self.replicate(self.primary, self.other)
        self.primary, self.other = self.other, self.primary
        self.lead(self.primary.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.network.__exit__(*exception)
        for each in (self.primary, self.other):
            each.discard()


def owner(server: Server) -> Redis:
    """Return a client with all rights."""
    return Redis.from_url(server.url, socket_timeout=5)

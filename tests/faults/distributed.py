"""A service on several hosts: one for web, promoter and sweeper, two for workers, one for Redis, one for Postgres."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local.procfile import read_procfile
from tests.acceptance.processes import ROOT
from tests.acceptance.service import Service
from tests.acceptance.stores import Stores
from tests.faults.network import Network
from tests.restricted import as_role, as_user

if TYPE_CHECKING:
    from local.server import Server
    from tests.faults.hosts import Hosts

HOSTS = ("front", "left", "right", "redis", "postgres")
WHERE = {
    "web": "front",
    "promoter": "front",
    "sweeper": "front",
    "left_worker": "left",
    "right_worker": "right",
}
OWNER = "postgres as its owner"


class StoresOnHosts(Stores):
    """Each server listens on its host's 127.0.0.1 only; a relay on the host's address forwards connections to it."""

    def __init__(self, directory: Path, hosts: Hosts) -> None:
        self._hosts = hosts
        with hosts.inside("postgres"):
            super().__init__(directory)

    def __enter__(self) -> Self:
        with self._hosts.inside("postgres"):
            return super().__enter__()

    def new_database(self) -> str:
        with self._hosts.inside("postgres"):
            return super().new_database()

    def new_valkey(self) -> Server:
        with self._hosts.inside("redis"):
            return super().new_valkey()


@contextmanager
def distributed(
    hosts: Hosts, directory: Path, logs: Path, environment: Mapping[str, str]
) -> Iterator[tuple[Service, str]]:
    """Set up a service without starting it; yield it and the URL of its database for the owner."""
    procfile = read_procfile(ROOT / "Procfile")
    commands = {kind: hosts.command(host, procfile[kind.rpartition("_")[2]]) for kind, host in WHERE.items()}
    everywhere = {"HOST": "0.0.0.0", "AUTH": "off", **environment}  # the network is isolated
    with ExitStack() as stack:
        stores = stack.enter_context(StoresOnHosts(directory, hosts))
        service = Service(stores, logs, everywhere, commands=commands)
        service.host = hosts.address("front")
        routes = {"postgres": as_role(service.database_url), OWNER: service.database_url}
        postgres = stack.enter_context(_relays(hosts, "postgres", routes))
        redis = stack.enter_context(_relays(hosts, "redis", {"redis": as_user(service.valkey.url)}))
        for kind in WHERE:
            urls = {"DATABASE_URL": postgres.url("postgres"), "REDIS_URL": redis.url("redis")}
            service.environment_of[kind] = urls
        stack.callback(service.stop)
        yield service, postgres.url(OWNER)


def _relays(hosts: Hosts, host: str, urls: Mapping[str, str]) -> Network:
    with hosts.inside(host):
        return Network(urls, host=hosts.address(host))

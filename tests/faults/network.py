"""The ways from each kind of process to the two servers, each of which can be broken."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from tests.acceptance.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

END_S = 10.0


class Network:
    """A process of proxies, one for each route; leaving its context ends it, and every connection through it."""

    def __init__(self, urls: Mapping[str, str], *, host: str = "127.0.0.1") -> None:
        """`urls` are where the routes lead, by name; `host` is the address that the proxies listen on."""
        self._urls = urls
        self._host = host
        upstream = {name: urlsplit(url) for name, url in urls.items()}
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.faults.proxy",
                host,
                *(f"{n}={u.hostname}:{u.port}" for n, u in upstream.items()),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._orders, self._answers = self._process.stdin, self._process.stdout
        self._ports: dict[str, int] = json.loads(self._answers.readline())

    def url(self, route: str) -> str:
        """The URL of the route's server, reached through its proxy."""
        parts = urlsplit(self._urls[route])
        secret, _, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{secret}@{self._host}:{self._ports[route]}").geturl()

    def become(self, route: str, mode: str, seconds: float = 0.0) -> None:
        """Have a route behave like this (see `proxy.Route`) from now on."""
        self._orders.write(f"{route} {mode} {seconds}\n")
        self._orders.flush()
        assert self._answers.readline() == "ok\n", "the proxy has died"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        try:
            self._process.wait(END_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._answers.close()

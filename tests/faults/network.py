"""The routes from each kind of process to Redis and Postgres, through proxies that can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from tests.acceptance.processes import ROOT

STOP_S = 10.0


class Network:
    """A process with a proxy for each route; leaving the context ends it, and every connection through it."""

    def __init__(self, urls: Mapping[str, str], *, host: str = "127.0.0.1") -> None:
        """`urls` are the targets of the routes by name; `host` is the address on which the proxies listen."""
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
        """Return the URL of a route's server through its proxy."""
        parts = urlsplit(self._urls[route])
        secret, _, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{secret}@{self._host}:{self._ports[route]}").geturl()

    def become(self, route: str, mode: str, seconds: float = 0.0) -> None:
        """Set the mode of a route (see `proxy.Route`)."""
        self._order(f"{route} {mode} {seconds}")

    def lead(self, route: str, url: str) -> None:
        """Lead new connections of a route to the server of this URL."""
        parts = urlsplit(url)
        self._order(f"{route} lead {parts.hostname}:{parts.port}")

    def _order(self, line: str) -> None:
        self._orders.write(f"{line}\n")
        self._orders.flush()
        assert self._answers.readline() == "ok\n", "the proxy has ended"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        try:
            self._process.wait(STOP_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._answers.close()

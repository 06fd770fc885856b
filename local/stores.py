"""Postgres and Redis of a run: those that the environment names, or embedded ones, restarted when they are killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local import RunError, postgres, valkey
from local.server import Server

EMBEDDED = {"DATABASE_URL": postgres, "REDIS_URL": valkey}
POLL_INTERVAL_S = 0.5


def open_stores(
    environment: Mapping[str, str], directory: Path, stack: ExitStack, say: Callable[[str], object]
) -> dict[str, str]:
    """Return DATABASE_URL and REDIS_URL. Servers started for them run, supervised, until ``stack`` is left."""
    urls = {}
    for name, embedded in EMBEDDED.items():
        if environment.get(name):
            urls[name] = environment[name]
            continue
        server = stack.enter_context(embedded.start(directory / embedded.NAME))
        urls[name] = stack.enter_context(restarted(server, say)).url
    return urls


@contextmanager
def restarted(server: Server, say: Callable[[str], object]) -> Iterator[Server]:
    """Restart ``server`` from a thread whenever it ends, until the context is left. Port and contents stay."""
    leaving = threading.Event()
    watcher = threading.Thread(target=_restart_forever, args=(server, say, leaving), daemon=True)
    watcher.start()
    try:
        yield server
    finally:
        leaving.set()
        watcher.join()


def _restart_forever(server: Server, say: Callable[[str], object], leaving: threading.Event) -> None:
    while not leaving.wait(POLL_INTERVAL_S):
        if server.process.poll() is None:
            continue
        say(f"{server.program.name} ended (code {server.process.returncode}), starts again")
        try:
            server.restart()
        except RunError as problem:  # tried again at the next poll
            say(str(problem))

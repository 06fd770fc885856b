"""Starts an embedded server again when somebody killed it; its port, password and contents stay."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from local.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.server import Server

LOOK_SECONDS = 0.5


@contextmanager
def revived(server: Server, say: Callable[[str], object]) -> Iterator[Server]:
    """A thread beside the caller looks after ``server`` until the context is left; it is not stopped then."""
    leaving = threading.Event()
    looking = threading.Thread(target=_look_after, args=(server, say, leaving), daemon=True)
    looking.start()
    try:
        yield server
    finally:
        leaving.set()
        looking.join()


def _look_after(server: Server, say: Callable[[str], object], leaving: threading.Event) -> None:
    while not leaving.wait(LOOK_SECONDS):
        if server.process.poll() is None:
            continue
        say(f"{server.program.name} ended (code {server.process.returncode}), starts again")
        try:
            server.restart()
        except RunError as problem:  # tried again after the next look
            say(str(problem))

"""Where the tasks are kept: the Postgres and Redis that the environment names, or embedded ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local import postgres, valkey
from local.revived import revived

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack
    from pathlib import Path

EMBEDDED = {"DATABASE_URL": postgres, "REDIS_URL": valkey}


def open_stores(
    environment: Mapping[str, str], directory: Path, stack: ExitStack, say: Callable[[str], object]
) -> dict[str, str]:
    """DATABASE_URL and REDIS_URL; servers started for them are looked after, and stopped when ``stack`` is left."""
    urls = {}
    for name, embedded in EMBEDDED.items():
        if environment.get(name):
            urls[name] = environment[name]
            continue
        server = stack.enter_context(embedded.start(directory / embedded.NAME))
        urls[name] = stack.enter_context(revived(server, say)).url
    return urls

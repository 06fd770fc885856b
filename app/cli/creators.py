"""Threads that create tasks, each on its own keep-alive connection."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from app.cli.record import Asked
from app.cli.service import Refused, ServiceAway

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import click

    from app.cli.service import Service

AT_ONCE = 2000
GIVE_UP_AFTER = 50


def create_all(
    bodies: Iterable[Mapping[str, str]], *, service: Service, concurrency: int
) -> Iterator[Asked | click.ClickException]:
    """Create a task for each body, in any order of arrival; what was created, or why it was not.

    When the service stays away the rest is not tried.
    """
    own, silences = threading.local(), _Silences()

    def create(body: Mapping[str, str]) -> Asked | click.ClickException:
        if silences.too_many:
            return ServiceAway("The service stayed away; the rest was not tried.")
        if not hasattr(own, "service"):
            own.service = service.another()
        return _create(own.service, body, silences)

    pending = iter(bodies)
    with ThreadPoolExecutor(concurrency) as threads:
        while some := list(islice(pending, AT_ONCE)):
            yield from threads.map(create, some)


class _Silences:
    """How often in a row nobody answered."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def too_many(self) -> bool:
        return self._count >= GIVE_UP_AFTER

    def heard(self) -> None:
        self._count = 0

    def silent(self) -> None:
        self._count += 1


def _create(service: Service, body: Mapping[str, str], silences: _Silences) -> Asked | click.ClickException:
    try:
        task = service.ask("POST", "/tasks", body=body)
    except Refused as refused:
        return refused
    except ServiceAway as silence:
        silences.silent()
        return silence
    silences.heard()
    return Asked(task["id"], body["type"].lower(), datetime.fromisoformat(body["execute_at"]))

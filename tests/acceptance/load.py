"""Load for fault tests: many tasks, created before the first of them is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tests.acceptance.client import new_task

if TYPE_CHECKING:
    from tests.acceptance.client import Client, Json
    from tests.acceptance.witness import Witness

AHEAD_S = (4.0, 16.0, 64.0, 256.0)


def create_ahead(
    client: Client, witness: Witness, make: Callable[[float], list[Json]], *, batch: bool = False
) -> tuple[float, list[str]]:
    """Create the tasks that `make` returns for an instant, before this instant; return the instant and the ids.

    If the creation takes too long, their runs are discarded and new tasks are created for a later instant.
    """
    for ahead_s in AHEAD_S:
        begin = time.time() + ahead_s
        wanted = make(begin)
        ids = client.create_batch(wanted) if batch else [each["id"] for each in client.create_many(wanted)]
        if time.time() < begin:
            return begin, ids
        client.wait_final(ids, timeout=60)
        witness.forget()
    raise AssertionError(f"{len(ids)} tasks could not be created within {ahead_s:g} s")


def create_spread(
    client: Client, witness: Witness, *, count: int, over_s: float, payloads: Sequence[dict[str, Any]] = ({},)
) -> tuple[float, list[str]]:
    """Create tasks that write to `witness`, due one after another over some seconds, with these payloads in turn.

    Returns when the first one is due (seconds since 1970, in the future), and the ids.
    """

    def make(begin: float) -> list[Json]:
        return [
            new_task("witness", witness.payload(**payloads[n % len(payloads)]), execute_at=begin + n * over_s / count)
            for n in range(count)
        ]

    return create_ahead(client, witness, make, batch=True)

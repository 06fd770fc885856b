"""Load to break things under: many tasks, created before the first of them is due, however slow the machine is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.acceptance.client import new_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.acceptance.client import Client
    from tests.acceptance.witness import Witness

REHEARSAL = 100


def create_spread(
    client: Client, witness: Witness, *, count: int, over_s: float, payloads: Sequence[dict[str, Any]] = ({},)
) -> tuple[float, list[str]]:
    """Tasks that write to `witness`, due one after another over some seconds; their payloads take turns.

    Answers when the first one is due (seconds since 1970; in the future), and their ids.
    """
    began = time.monotonic()
    client.create_many([new_task("noop")] * REHEARSAL)
    begin = time.time() + 1.5 + 1.5 * (time.monotonic() - began) * count / REHEARSAL
    wanted = [
        new_task("witness", witness.payload(**payloads[n % len(payloads)]), execute_at=begin + n * over_s / count)
        for n in range(count)
    ]
    ids = [each["id"] for each in client.create_many(wanted)]
    assert time.time() < begin, "the machine became much slower meanwhile"
    return begin, ids

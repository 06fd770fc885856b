"""Load for fault tests: many tasks, created before the first of them is due."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.acceptance.client import new_task

if TYPE_CHECKING:
    from tests.acceptance.client import Client
    from tests.acceptance.witness import Witness

AHEAD_S = 4.0


def create_spread(
    client: Client, witness: Witness, *, count: int, over_s: float, payloads: Sequence[dict[str, Any]] = ({},)
) -> tuple[float, list[str]]:
    """Create tasks that write to `witness`, due one after another over some seconds, with these payloads in turn.

    Returns when the first one is due (seconds since 1970, in the future), and the ids.
    """
    begin = time.time() + AHEAD_S
    wanted = [
        new_task("witness", witness.payload(**payloads[n % len(payloads)]), execute_at=begin + n * over_s / count)
        for n in range(count)
    ]
    ids = client.create_batch(wanted)
    assert time.time() < begin, "the machine is too slow: tasks must be created before they are due"
    return begin, ids

"""No task starts before its instant by Postgres' clock, regardless of other clocks."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from tests.acceptance.client import new_task, seconds
from tests.patience import patience

if TYPE_CHECKING:
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

TASKS = 200


def test_a_promoter_with_a_fast_clock_starts_no_task_early(service: Service, witness: Witness) -> None:
    with service.beside(skewed_promoter=1):
        begin = time.time() + 1.5
        instants = [begin + random.random() * 5 for _ in range(TASKS)]
        wanted = [new_task("witness", witness.payload(), execute_at=at) for at in instants]
        ids = [each["id"] for each in service.client.create_many(wanted)]
        done = service.client.wait_final(ids, timeout=20, type="witness")
    witness.assert_ran_once(ids)
    assert {each["state"] for each in done.values()} == {"succeeded"}
    for each in done.values():
        assert seconds(each["started_at"]) >= seconds(each["execute_at"])
        assert each["lag_ms"] >= 0
    seen_at = {each.task_id: each.at for each in witness.sights()}
    early = {each: at - seen_at[each] for each, at in zip(ids, instants, strict=True) if seen_at[each] < at}
    assert not early
    lags = sorted(each["lag_ms"] for each in done.values())
    assert lags[-1] < patience(8000)


def test_no_task_starts_early_by_a_microsecond(service: Service, witness: Witness) -> None:
    """Instants with fractions of a millisecond, created just before they are due: the due set must not round down."""
    create = service.client.create
    ids = [create("witness", witness.payload(), execute_at=time.time() + 0.01)["id"] for _ in range(100)]
    for each in service.client.wait_final(ids, timeout=20, type="witness").values():
        assert seconds(each["started_at"]) >= seconds(each["execute_at"])
    witness.assert_ran_once(ids)

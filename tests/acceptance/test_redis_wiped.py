"""A Redis that is wiped, restarted or unavailable: no task is lost or run twice, and repair takes seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.acceptance.client import new_task
from tests.acceptance.conditions import sleep_until
from tests.acceptance.load import create_spread
from tests.patience import patience

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.conftest import NewService
    from tests.acceptance.witness import Witness

TASKS = 1500
SPREAD_S = 8.0
MAX_LAG_MS = 8000  # on a busy machine; less than the next slower repair takes


def test_no_task_is_lost_or_run_twice_when_redis_is_wiped_under_load(new_service: NewService, witness: Witness) -> None:
    service = new_service(promoter=2)
    begin, ids = create_spread(service.client, witness, count=TASKS, over_s=SPREAD_S)
    with service.redis() as redis:
        for after_s in (0.5, 2.1, 2.3, 4.7, 6.9):
            sleep_until(begin + after_s)
            redis.flushall()
    done = service.client.wait_final(ids, timeout=40)
    assert_all_ran(done, witness)
    assert max(each["lag_ms"] for each in done.values()) < patience(MAX_LAG_MS)


def test_no_task_is_lost_or_run_twice_when_redis_restarts_empty_under_load(
    new_service: NewService, witness: Witness
) -> None:
    """Creation and deletion work while Redis is unavailable: they depend on Postgres alone."""
    service = new_service(promoter=2)
    begin, ids = create_spread(service.client, witness, count=TASKS, over_s=SPREAD_S)
    sleep_until(begin + 2)
    service.valkey.stop()
    meanwhile = [each["id"] for each in service.client.create_many([new_task("witness", witness.payload())] * 20)]
    deleted = service.client.create("witness", witness.payload(), delay_s=5)["id"]
    assert service.client.delete(deleted) == 200
    assert service.client.request("GET", "/ready").status_code == 503
    sleep_until(begin + 4)
    service.valkey.restart()
    back_at = time.time()
    done = service.client.wait_final([*ids, *meanwhile], timeout=40)
    assert_all_ran(done, witness)
    assert max(each.at for each in witness.sights()) < max(back_at, begin + SPREAD_S) + patience(MAX_LAG_MS / 1000)
    assert service.client.request("GET", "/ready").status_code == 200


def assert_all_ran(done: dict[str, Json], witness: Witness) -> None:
    """Assert that each task ran once and succeeded."""
    witness.assert_ran_once(list(done))
    assert {(each["state"], each["attempt"]) for each in done.values()} == {("succeeded", 1)}

"""Disposable Redis: wiped, restarted, away: nothing is lost or doubled, and it is noticed within seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.acceptance.client import new_task
from tests.acceptance.conditions import sleep_until
from tests.acceptance.load import create_spread

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.conftest import NewService
    from tests.acceptance.witness import Witness

TASKS = 1500
SPREAD_S = 8.0
NOTICED_WITHIN_MS = 8000  # on a busy machine; sooner than the next slower repair


def test_a_redis_wiped_under_load_loses_and_doubles_nothing(new_service: NewService, witness: Witness) -> None:
    service = new_service(promoter=2)
    begin, ids = create_spread(service.client, witness, count=TASKS, over_s=SPREAD_S)
    with service.redis() as redis:
        for after_s in (0.5, 2.1, 2.3, 4.7, 6.9):
            sleep_until(begin + after_s)
            redis.flushall()
    done = service.client.wait_final(ids, timeout=40)
    assert_all_ran(done, witness)
    assert max(each["lag_ms"] for each in done.values()) < NOTICED_WITHIN_MS


def test_a_redis_restarted_empty_under_load_loses_and_doubles_nothing(
    new_service: NewService, witness: Witness
) -> None:
    """While it is away, tasks are created and deleted all the same: that depends on Postgres alone."""
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
    assert max(each.at for each in witness.sights()) < max(back_at, begin + SPREAD_S) + NOTICED_WITHIN_MS / 1000
    assert service.client.request("GET", "/ready").status_code == 200


def assert_all_ran(done: dict[str, Json], witness: Witness) -> None:
    """Each once, with success."""
    witness.assert_ran_once(list(done))
    assert {(each["state"], each["attempt"]) for each in done.values()} == {("succeeded", 1)}

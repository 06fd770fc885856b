"""Servers away: what needs Postgres alone still answers, the rest says so, and all goes on when they are back."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.busy import busy_shares
from tests.acceptance.client import new_task
from tests.acceptance.conditions import sleep_until, wait_until
from tests.acceptance.service import Service
from tests.acceptance.stores import Stores, freeze, thaw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.witness import Witness

SOON_S = 30.0
WATCHED_S = 6.0
BUSY = 0.05


@pytest.fixture
def alone() -> Iterator[Service]:
    """A service with a Postgres and a Valkey that no other test uses."""
    with tempfile.TemporaryDirectory(prefix="punctual-alone-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Stores(folder) as stores, Service(stores, folder / "service", {}) as made:
            yield made.start(web=1, promoter=1, worker=1, sweeper=1, scheduler=1)


def test_a_frozen_redis_holds_up_no_request(alone: Service, witness: Witness) -> None:
    freeze(alone.valkey)
    ids = [alone.client.create("witness", witness.payload())["id"] for _ in range(20)]
    assert alone.client.get(ids[0])["state"] == "scheduled"
    assert alone.client.request("GET", "/tasks").json()["count"] == 20
    began = time.monotonic()
    not_ready = alone.client.request("GET", "/ready")
    assert (not_ready.status_code, list(not_ready.json()["details"])) == (503, ["redis"])
    assert alone.client.request("GET", "/stats").json()["redis"] == "away"
    assert time.monotonic() - began < 10, "two seconds and a quarter, and what this machine adds"
    gone = ids.pop()
    assert alone.client.delete(gone) == 200
    slowest_ms = max(each for each, route in answered(alone) if "ready" not in route)
    assert slowest_ms < 1000, "none of them waited for Redis"
    thaw(alone.valkey)
    alone.client.wait_final(ids, timeout=SOON_S)
    witness.assert_ran_once(ids)


def test_a_frozen_postgres_is_named_and_all_goes_on_when_it_is_back(alone: Service, witness: Witness) -> None:
    ids = [each["id"] for each in alone.client.create_many([new_task("witness", witness.payload(), delay_s=5)] * 50)]
    freeze(alone.postgres)
    refused = [alone.client.request("GET", "/tasks")]  # waits until the circuit breaker opens
    began = time.monotonic()
    refused += [alone.client.request("POST", "/tasks", json=new_task("noop")) for _ in range(30)]
    refused += [alone.client.request("GET", f"/tasks/{ids[0]}") for _ in range(30)]
    assert time.monotonic() - began < 15, "sixty refusals; had each waited, they would have taken minutes"
    assert {(each.status_code, bool(each.headers["Retry-After"])) for each in refused} == {(503, True)}
    assert alone.client.request("GET", "/ready").json()["details"] == {"postgres": "does not answer"}
    assert alone.client.request("GET", "/health").status_code == 200
    thaw(alone.postgres)
    wait_until(lambda: alone.client.is_ready(alone.url), SOON_S, "the circuit breaker closes")
    alone.client.wait_final(ids, timeout=60)
    witness.assert_ran_once(ids)


def test_both_away_for_a_while_nothing_spins_and_all_goes_on_when_they_are_back(
    alone: Service, witness: Witness
) -> None:
    due = time.time() + 8
    wanted = [new_task("witness", witness.payload(), execute_at=due + n / 50) for n in range(100)]
    ids = [each["id"] for each in alone.client.create_many(wanted)]
    alone.valkey.stop()
    alone.postgres.stop()
    answer = alone.client.request("GET", "/tasks")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert alone.client.request("POST", "/tasks", json=new_task("noop")).status_code == 503
    sleep_until(due)
    busy = busy_shares(alone, WATCHED_S)
    assert max(busy.values()) < BUSY, busy
    alone.postgres.restart()
    alone.valkey.restart()
    wait_until(lambda: alone.client.is_ready(alone.url), SOON_S, "it is noticed that both are back")
    alone.client.wait_final(ids, timeout=60)
    witness.assert_ran_once(ids)


def answered(service: Service) -> list[tuple[float, str]]:
    """How long each request took (ms) and its route, as the web process logged it."""
    lines: list[dict[str, Any]] = service.logged("request", "web")
    return [(each["ms"], each["route"] or "") for each in lines]

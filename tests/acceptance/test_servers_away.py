"""Unavailable servers: requests are answered without Redis, get 503 without Postgres, and all continues afterwards."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.busy import busy_shares
from tests.acceptance.client import new_task
from tests.acceptance.conditions import sleep_until, wait_until
from tests.acceptance.load import create_spread
from tests.acceptance.service import Service
from tests.acceptance.stores import Stores, freeze, thaw
from tests.patience import patience

if TYPE_CHECKING:
    from tests.acceptance.witness import Witness

RECOVERY_S = 30.0
OBSERVATION_S = 6.0
MAX_CPU_SHARE = 0.05


@pytest.fixture
def own_service() -> Iterator[Service]:
    """A service with a Postgres and a Valkey that no other test uses."""
    with tempfile.TemporaryDirectory(prefix="punctual-alone-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Stores(folder) as stores, Service(stores, folder / "service", {}) as made:
            yield made.start(web=1, promoter=1, worker=1, sweeper=1, scheduler=1)


def test_a_frozen_redis_delays_no_request(own_service: Service, witness: Witness) -> None:
    freeze(own_service.valkey)
    ids = [own_service.client.create("witness", witness.payload())["id"] for _ in range(20)]
    assert own_service.client.get(ids[0])["state"] == "scheduled"
    assert own_service.client.request("GET", "/tasks").json()["count"] == 20
    began = time.monotonic()
    not_ready = own_service.client.request("GET", "/ready")
    assert (not_ready.status_code, list(not_ready.json()["details"])) == (503, ["redis"])
    assert own_service.client.request("GET", "/stats").json()["redis"] == "away"
    assert time.monotonic() - began < patience(10), "two and a quarter seconds, with a margin for a busy machine"
    deleted = ids.pop()
    assert own_service.client.delete(deleted) == 200
    slowest_ms = max(each for each, route in answered(own_service) if "ready" not in route)
    assert slowest_ms < patience(1000), "no request waits for Redis"
    thaw(own_service.valkey)
    own_service.client.wait_final(ids, timeout=RECOVERY_S)
    witness.assert_ran_once(ids)


def test_a_frozen_postgres_is_reported_and_all_continues_when_it_is_available_again(
    own_service: Service, witness: Witness
) -> None:
    ids = [
        each["id"] for each in own_service.client.create_many([new_task("witness", witness.payload(), delay_s=5)] * 50)
    ]
    freeze(own_service.postgres)
    refused = [own_service.client.request("GET", "/tasks")]  # waits until the circuit breaker opens
    began = time.monotonic()
    refused += [own_service.client.request("POST", "/tasks", json=new_task("noop")) for _ in range(30)]
    refused += [own_service.client.request("GET", f"/tasks/{ids[0]}") for _ in range(30)]
    assert time.monotonic() - began < patience(15), "sixty refusals take minutes if each of them waits"
    assert {(each.status_code, bool(each.headers["Retry-After"])) for each in refused} == {(503, True)}
    assert own_service.client.request("GET", "/ready").json()["details"] == {"postgres": "does not answer"}
    assert own_service.client.request("GET", "/health").status_code == 200
    thaw(own_service.postgres)
    wait_until(lambda: own_service.client.is_ready(own_service.url), RECOVERY_S, "the circuit breaker closes")
    own_service.client.wait_final(ids, timeout=60)
    witness.assert_ran_once(ids)


def test_without_both_servers_no_process_spins_and_all_continues_when_they_are_available_again(
    own_service: Service, witness: Witness
) -> None:
    due, ids = create_spread(own_service.client, witness, count=100, over_s=2)
    own_service.valkey.stop()
    own_service.postgres.stop()
    answer = own_service.client.request("GET", "/tasks")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert own_service.client.request("POST", "/tasks", json=new_task("noop")).status_code == 503
    sleep_until(due)
    shares = busy_shares(own_service, OBSERVATION_S)
    assert max(shares.values()) < MAX_CPU_SHARE, shares
    own_service.postgres.restart()
    own_service.valkey.restart()
    wait_until(lambda: own_service.client.is_ready(own_service.url), RECOVERY_S, "both servers are available again")
    own_service.client.wait_final(ids, timeout=60)
    witness.assert_ran_once(ids)


def answered(service: Service) -> list[tuple[float, str]]:
    """Return the duration (ms) and the route of each request, as logged by the web process."""
    lines: list[dict[str, Any]] = service.logged("request", "web")
    return [(each["ms"], each["route"] or "") for each in lines]

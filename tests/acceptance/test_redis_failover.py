"""After a failover of Redis every process continues without a restart, and logs each kind of error once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.busy import busy_shares
from tests.acceptance.client import new_task
from tests.acceptance.conditions import wait_until
from tests.acceptance.service import Service
from tests.redis_pair import RedisPair, owner

if TYPE_CHECKING:
    from tests.acceptance.stores import Stores
    from tests.acceptance.witness import Witness

RECOVERY_S = 30.0
OBSERVATION_S = 6.0
MAX_CPU_SHARE = 0.1
TROUBLES = ("server_unavailable", "redis_unavailable", "limits_in_memory", "receiver_ended", "step_failed")
KINDS = ("web", "promoter", "worker", "sweeper", "scheduler")
REFUSALS = {
    "READONLY": (("REPLICAOF", "127.0.0.1", "9"), ("REPLICAOF", "NO", "ONE")),
    "OOM": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "NOREPLICAS": (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    "NOPERM": (
        ("ACL", "SETUSER", "punctual", "-zadd", "-hset", "-blmove", "-set"),
        ("ACL", "SETUSER", "punctual", "+zadd", "+hset", "+blmove", "+set"),
    ),
}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[RedisPair]:
    with RedisPair(tmp_path / "pair") as made:
        yield made


@pytest.fixture
def own_service(stores: Stores, tmp_path: Path, pair: RedisPair) -> Iterator[Service]:
    """A service that reaches the primary of the pair through a proxy."""
    settings = {"REDIS_URL": pair.url(), "REQUESTS_PER_MINUTE": "100000"}
    with Service(stores, tmp_path / "service", settings) as made:
        yield made.start(web=1, promoter=1, worker=2, sweeper=1, scheduler=1)


def test_after_a_failover_all_tasks_run_without_a_restart(
    own_service: Service, pair: RedisPair, witness: Witness
) -> None:
    pair.replicate(pair.other, pair.primary)
    client = own_service.client
    before = client.create_many([new_task("witness", witness.payload(), delay_s=n / 20) for n in range(200)])
    client.wait_final([before[0]["id"]], timeout=RECOVERY_S)
    processes = {each.name: each.pid for each in own_service.processes.values()}
    pair.fail_over()
    after = client.create_many([new_task("witness", witness.payload(), delay_s=n / 50) for n in range(100)])
    ids = [each["id"] for each in before + after]
    client.wait_final(ids, timeout=RECOVERY_S + 10)
    witness.assert_ran_once(ids)
    wait_until(lambda: client.is_ready(own_service.url), RECOVERY_S, "it is ready")
    assert {each.name: each.pid for each in own_service.processes.values() if each.code is None} == processes
    assert_said_once(own_service, {"READONLY", "UNBLOCKED"})


@pytest.mark.parametrize("word", REFUSALS)
def test_while_redis_refuses_nothing_spins_and_nothing_is_lost(
    own_service: Service, pair: RedisPair, witness: Witness, word: str
) -> None:
    client = own_service.client
    begin, end = REFUSALS[word]
    ids = [client.create("witness", witness.payload())["id"]]
    client.wait_final(ids, timeout=RECOVERY_S)
    with owner(pair.primary) as server:
        server.execute_command(*begin)
        tasks = client.create_many([new_task("witness", witness.payload(), delay_s=n / 20) for n in range(100)])
        not_ready = client.request("GET", "/ready")
        assert (not_ready.status_code, not_ready.json()["details"]) == (503, {"redis": f"refuses: {word}"})
        shares = busy_shares(own_service, OBSERVATION_S)
        assert max(shares.values()) < MAX_CPU_SHARE, shares
        server.execute_command(*end)
    ids += [each["id"] for each in tasks]
    client.wait_final(ids, timeout=RECOVERY_S + 10)
    witness.assert_ran_once(ids)
    wait_until(lambda: client.is_ready(own_service.url), RECOVERY_S, "it is ready")
    assert_said_once(own_service, {word, "UNBLOCKED"})


def assert_said_once(service: Service, words: set[str]) -> None:
    """Assert that each process has logged each kind of error once for each of its loops, and one of these words."""
    for kind in KINDS:
        lines = [(event, line) for event in TROUBLES for line in service.logged(event, kind)]
        met = Counter(
            (
                line.get("worker_id"),
                event,
                line.get("loop") or line.get("doing"),
                str(line["trouble"]).partition(":")[0],
            )
            for event, line in lines
        )
        assert all(number <= 2 for number in met.values()), met
        if kind in {"promoter", "sweeper", "worker"}:
            assert words & {trouble for *_, trouble in met}, (kind, met)

"""The heartbeat of a worker: it keeps a row, and fences the pool when it cannot renew the row in time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from app.clock import now
from app.config import Settings, read_settings
from app.connections import connect_postgres
from app.ledger import workers
from tests.acceptance.conditions import wait_until
from tests.making import NOWHERE
from workers.worker.heartbeat import Heartbeat

if TYPE_CHECKING:
    import pytest
    from sqlalchemy import Engine

    from workers.pool.protocol import Failure

PATIENCE_S = 10.0


class RecordingPool:
    """A pool and its run lease that record calls."""

    def __init__(self) -> None:
        self.run_lease = self
        self.calls: list[str] = []
        self.cancelled: list[str] = []
        self.fenced, self.supervised = threading.Event(), threading.Event()
        self.supervised.set()

    def renew(self, _expires_at: float) -> None:
        self.calls.append("renewed")

    def fence(self, failure: Failure) -> None:
        assert failure.type == "worker_lost"
        self.calls.append("fenced")
        self.fenced.set()

    def is_supervised(self, _within_s: float) -> bool:
        return self.supervised.is_set()

    def cancel(self, task_id: str) -> None:
        self.cancelled.append(task_id)


class Unresolved:
    """Unresolved claims that count calls of `resolve`."""

    def __init__(self) -> None:
        self.resolved = 0

    def resolve(self) -> None:
        self.resolved += 1


def make_heartbeat(
    engine: Engine, settings: Settings, pool: RecordingPool, unresolved: Unresolved | None = None,
    clock: Callable[[], float] = now,
) -> Heartbeat:  # fmt: skip
    return Heartbeat(
        engine, settings, worker_id="w", pool=pool, unresolved=unresolved or Unresolved(), clock=clock  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_heartbeat_keeps_a_row_and_deletes_it_at_the_end(engine: Engine, settings: Settings) -> None:
    unresolved = Unresolved()
    heart = make_heartbeat(engine, settings, RecordingPool(), unresolved)
    heart.start()
    assert heart.may_claim.wait(PATIENCE_S)
    wait_until(lambda: bool(unresolved.resolved), PATIENCE_S, "it beat")
    assert [each.id for each in workers.known(engine)] == ["w"]
    heart.stop()
    assert workers.known(engine) == []


def test_a_worker_that_cannot_renew_its_run_lease_stops_its_tasks_and_its_claims(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = msgspec.structs.replace(settings, heartbeat_s=0.05, worker_dead_after_s=2.2)
    pool = RecordingPool()
    heart = make_heartbeat(engine, quick, pool)
    heart.start()
    assert heart.may_claim.wait(PATIENCE_S)
    unavailable = connect_postgres(read_settings(NOWHERE), name="unavailable")
    heartbeat = workers.heartbeat

    def beat_elsewhere(_: Engine, *arguments: Any, **options: Any) -> list[str]:
        return heartbeat(unavailable, *arguments, **options)

    monkeypatch.setattr(workers, "heartbeat", beat_elsewhere)
    assert pool.fenced.wait(PATIENCE_S)
    assert not heart.may_claim.is_set()
    monkeypatch.setattr(workers, "heartbeat", heartbeat)
    assert heart.may_claim.wait(PATIENCE_S)
    heart.stop()
    unavailable.dispose()


def test_a_worker_whose_heartbeat_hangs_is_fenced_too(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = msgspec.structs.replace(settings, heartbeat_s=0.05, worker_dead_after_s=2.2)
    pool, hang = RecordingPool(), threading.Event()
    heart = make_heartbeat(engine, quick, pool)
    heart.start()
    assert heart.may_claim.wait(PATIENCE_S)

    def hang_in_heartbeat(*_: object, **__: object) -> list[str]:
        hang.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(workers, "heartbeat", hang_in_heartbeat)
    assert pool.fenced.wait(PATIENCE_S)
    assert not heart.may_claim.is_set()
    hang.set()
    heart.stop()


def test_a_heartbeat_that_succeeds_too_late_fences_before_it_renews(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, pool, unresolved = [100.0], RecordingPool(), Unresolved()
    heart = make_heartbeat(engine, settings, pool, unresolved, clock=lambda: at[0])
    heart.step()
    assert unresolved.resolved == 1
    at[0] += 8

    def beat_slowly(*_: object, **__: object) -> list[str]:
        at[0] += 8
        return []

    monkeypatch.setattr(workers, "heartbeat", beat_slowly)
    heart.step()
    assert unresolved.resolved == 2
    assert pool.calls == ["renewed", "fenced", "renewed"]
    assert heart.may_claim.is_set()


def test_a_worker_whose_pool_is_not_supervised_counts_as_dead_and_begins_nothing(
    engine: Engine, settings: Settings
) -> None:
    quick = msgspec.structs.replace(settings, heartbeat_s=0.1, worker_dead_after_s=2.3)
    pool = RecordingPool()
    heart = make_heartbeat(engine, quick, pool)
    heart.start()
    assert heart.may_claim.wait(PATIENCE_S)
    pool.supervised.clear()
    assert pool.fenced.wait(PATIENCE_S)
    assert not heart.may_claim.is_set()
    pool.supervised.set()
    assert heart.may_claim.wait(PATIENCE_S)
    heart.stop()


def test_a_heartbeat_passes_cancel_requests_to_the_pool(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = RecordingPool()
    heart = make_heartbeat(engine, settings, pool)
    monkeypatch.setattr(workers, "heartbeat", lambda *_, **__: ["a", "b"])
    heart.step()
    assert pool.cancelled == ["a", "b"]


class Ability:
    """Stands in for `workers.worker.ability.Ability`."""

    said: str | None = None
    able = True

    def trouble(self) -> str | None:
        return self.said

    def may_claim(self) -> bool:
        return self.able


def test_a_heartbeat_records_why_its_worker_cannot_run_tasks(engine: Engine, settings: Settings) -> None:
    ability = Ability()
    heart = Heartbeat(
        engine, settings, worker_id="w", pool=RecordingPool(), unresolved=Unresolved(), ability=ability  # type: ignore[arg-type]
    )  # fmt: skip
    for said in (None, "no child can be started: cannot fork", None):
        ability.said = said
        heart.step()
        assert [each.trouble for each in workers.known(engine)] == [said]


def test_a_worker_that_cannot_finish_tasks_claims_none_and_can_still_be_fenced(
    engine: Engine, settings: Settings
) -> None:
    at, pool, ability = [100.0], RecordingPool(), Ability()
    heart = Heartbeat(
        engine, settings, worker_id="w", pool=pool, unresolved=Unresolved(), ability=ability,  # type: ignore[arg-type]
        clock=lambda: at[0],
    )  # fmt: skip
    heart.step()
    assert heart.may_claim.is_set()
    ability.able = False
    heart.step()
    assert not heart.may_claim.is_set()
    at[0] += settings.worker_dead_after_s
    heart.fence.step()
    assert pool.calls == ["renewed", "renewed", "fenced"]
    ability.able = True
    heart.step()
    assert heart.may_claim.is_set()

"""The heartbeat of a worker: a row that says it lives, and a fence when it cannot say so."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from app.config import Settings, read_settings
from app.connections import connect_postgres
from app.ledger import workers
from tests.acceptance.conditions import wait_until
from tests.making import NOWHERE
from workers.worker.heartbeat import Heartbeat

if TYPE_CHECKING:
    import pytest
    from sqlalchemy import Engine

PATIENCE_S = 10.0


def test_a_heartbeat_keeps_a_row_and_takes_it_away_at_the_end(engine: Engine, settings: Settings) -> None:
    beats: list[int] = []
    heart = Heartbeat(
        engine,
        settings,
        worker_id="w",
        fence=lambda: None,
        renew_permit=lambda _: None,
        after_beat=lambda: beats.append(1),
    )
    heart.start()
    assert heart.may_claim.wait(PATIENCE_S)
    wait_until(lambda: bool(beats), PATIENCE_S, "it beat")
    assert [each.id for each in workers.known(engine)] == ["w"]
    heart.stop()
    assert workers.known(engine) == []


def test_a_worker_that_cannot_renew_in_time_stops_its_tasks_and_claims_no_more(
    engine: Engine, settings: Settings
) -> None:
    quick = msgspec.structs.replace(settings, heartbeat_s=0.05, worker_dead_after_s=2.2)
    fenced = threading.Event()
    heart = Heartbeat(
        engine, quick, worker_id="w", fence=fenced.set, renew_permit=lambda _: None, after_beat=lambda: None
    )
    heart.start()
    assert heart.may_claim.wait(PATIENCE_S)
    away = connect_postgres(read_settings(NOWHERE), name="away")
    heart._engine = away
    assert fenced.wait(PATIENCE_S)
    assert not heart.may_claim.is_set()
    heart._engine = engine
    assert heart.may_claim.wait(PATIENCE_S)
    heart.stop()
    away.dispose()


def test_a_heartbeat_that_hangs_is_fenced_too(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = msgspec.structs.replace(settings, heartbeat_s=0.05, worker_dead_after_s=2.2)
    fenced, hang = threading.Event(), threading.Event()
    heart = Heartbeat(
        engine, quick, worker_id="w", fence=fenced.set, renew_permit=lambda _: None, after_beat=lambda: None
    )
    heart.start()
    assert heart.may_claim.wait(PATIENCE_S)
    monkeypatch.setattr("workers.worker.heartbeat.workers.heartbeat", lambda *_, **__: hang.wait(PATIENCE_S))
    assert fenced.wait(PATIENCE_S)
    assert not heart.may_claim.is_set()
    hang.set()
    heart.stop()


def test_a_heartbeat_that_is_long_on_its_way_after_a_silence_fences_before_it_renews(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, told = [100.0], []
    heart = Heartbeat(
        engine,
        settings,
        worker_id="w",
        fence=lambda: told.append("fenced"),
        renew_permit=lambda _: told.append("renewed"),
        after_beat=lambda: None,
        clock=lambda: at[0],
    )
    assert heart._beat()
    at[0] += 8
    monkeypatch.setattr("workers.worker.heartbeat.workers.heartbeat", lambda *_, **__: at.__setitem__(0, at[0] + 8))
    assert heart._beat()
    assert told == ["renewed", "fenced", "renewed"]
    assert heart.may_claim.is_set()


def test_a_worker_whose_slots_nobody_watches_counts_as_dead_and_begins_nothing(
    engine: Engine, settings: Settings
) -> None:
    fenced, watched = threading.Event(), threading.Event()
    quick = msgspec.structs.replace(settings, heartbeat_s=0.1, worker_dead_after_s=2.3)
    watched.set()
    heart = Heartbeat(
        engine, quick, worker_id="w", fence=fenced.set, renew_permit=lambda _: None, after_beat=lambda: None,
        is_watched=watched.is_set,
    )  # fmt: skip
    heart.start()
    assert heart.may_claim.wait(PATIENCE_S)
    watched.clear()
    assert fenced.wait(PATIENCE_S)
    assert not heart.may_claim.is_set()
    watched.set()
    assert heart.may_claim.wait(PATIENCE_S)
    heart.stop()

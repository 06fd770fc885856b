"""The parts of a worker process, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.broker.due_set import DueSet
from app.connections import connect_postgres, connect_redis
from app.counter_buffer import CounterBuffer
from app.task_types import load_task_types
from workers.clock import PostgresClock
from workers.slots.pace import Pace
from workers.slots.slot import prepare_children
from workers.slots.slots import Slots
from workers.worker.claimer import Claimer
from workers.worker.finisher import Finisher
from workers.worker.heartbeat import Heartbeat
from workers.worker.intake import Intake
from workers.worker.lost_answers import LostAnswers

if TYPE_CHECKING:
    from app.config import Settings

POSTGRES_CONNECTIONS = 3  # one each for claiming, finishing, the heartbeat; the counters borrow one for a moment
REDIS_TIMEOUT_S = 5.0
WATCHED_WITHIN_S = 2.0
OUT_OF_TOUCH = ("worker_lost", "The worker lost touch with Postgres and stopped its tasks.")


@dataclass(frozen=True, slots=True)
class Parts:
    """What works together in one process; nothing of it has started."""

    slots: Slots
    finisher: Finisher
    heartbeat: Heartbeat
    intake: Intake
    claimer: Claimer
    lost_answers: LostAnswers
    tally: CounterBuffer


def assemble(settings: Settings, *, worker_id: str) -> Parts:
    """Make all parts. Their Redis has the short time limits: neither claims nor outcomes must wait for Redis."""
    types = load_task_types(settings)
    prepare_children(settings.modules)
    engine = connect_postgres(settings, name="worker", pool=POSTGRES_CONNECTIONS, keeps_plans=True)
    tally = CounterBuffer(engine)
    pace = Pace()
    finisher = Finisher(engine, DueSet(connect_redis(settings)), tally, pace.means_ms)
    slots = Slots(types, count=settings.slots, listener=finisher, pace=pace)
    lost_answers = LostAnswers(engine, settle_s=2 * settings.database_timeout_s, unused=finisher.unused)
    clock = PostgresClock(engine)
    intake = Intake(slots, clock=clock.now)
    heartbeat = Heartbeat(
        engine,
        settings,
        worker_id=worker_id,
        fence=lambda: slots.fence(OUT_OF_TOUCH),
        renew_permit=slots.permit.renew,
        after_beat=lost_answers.settle,
        is_watched=lambda: slots.are_watched(WATCHED_WITHIN_S),
    )
    claimer = Claimer(
        engine,
        DueSet(connect_redis(settings)),
        intake,
        slots,
        types,
        worker_id=worker_id,
        lost_answers=lost_answers,
        may_claim=heartbeat.may_claim,
        tally=tally,
        before_step=clock.keep_right,
    )
    return Parts(slots, finisher, heartbeat, intake, claimer, lost_answers, tally)

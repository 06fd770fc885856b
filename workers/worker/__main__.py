"""The `worker` process: `python -m workers.worker`.

A package with a main module, because child processes import the main module of a process that is not one.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from app.broker.corrupt_keys import drop_corrupt_keys
from app.config import Settings, read_settings, worker_name
from app.connections import connect_redis
from app.errors import LedgerAway
from app.logs import configure_logs
from app.loop import repeat, stop_on_signals
from workers.chores import CHORES
from workers.worker.assembly import REDIS_TIMEOUT_S, Parts, assemble
from workers.worker.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
LAST_DELIVERY_S = 3.0
LAST_WRITES_S = 4.0
LAST_COUNTS_S = 1.0
RESTART_AFTER_S = 1.0
ESSENTIAL = {"slots", "finisher", "claimer", "heartbeat", "fence", "signals", "deliveries"}
BROKEN = 70  # EX_SOFTWARE


def main() -> None:
    """Run until SIGTERM or SIGINT; then stop within the grace."""
    settings = read_settings()
    worker_id = worker_name(uuid4().hex[:8])
    configure_logs(settings, process="worker", worker_id=worker_id)
    threading.excepthook = _end_without(ESSENTIAL)
    stop = stop_on_signals()
    parts = assemble(settings, worker_id=worker_id)
    parts.slots.prepare()
    parts.heartbeat.start()
    log.info("worker_started", queue=settings.queue, slots=settings.slots)

    claiming = threading.Thread(
        target=repeat,
        args=(parts.claimer.step,),
        kwargs={"wait": lambda: None, "stop": stop, "name": "claimer"},
        name="claimer",
        daemon=True,
    )
    claiming.start()
    # In a thread, because RQ may wait for a Redis that is frozen for longer than the grace.
    deliveries = threading.Thread(
        target=_receive, args=(settings, worker_id, parts, stop), name="deliveries", daemon=True
    )
    deliveries.start()
    while not stop.wait(LOOK_EVERY_S):
        pass  # a signal may reach another thread: the handler runs when this one wakes, so it must
    until = time.monotonic() + settings.shutdown_grace_s
    parts.slots.withdraw_all()
    claiming.join(settings.shutdown_grace_s)  # a claim on its way is answered, and handed back
    deliveries.join(LAST_DELIVERY_S)
    with suppress(LedgerAway):
        parts.claimer.put_back_all()
    _wind_down(settings, parts, until)
    log.info("worker_stopped")


def _receive(settings: Settings, worker_id: str, parts: Parts, stop: threading.Event) -> None:
    """Receive deliveries until `stop`. RQ's loop gives up on some errors; then a new receiver starts."""
    starts = 0
    while not stop.is_set():
        starts += 1
        redis = connect_redis(settings, timeout_s=REDIS_TIMEOUT_S)
        may_claim, name = parts.heartbeat.may_claim, f"{worker_id}.{starts}"
        try:
            drop_corrupt_keys(redis, types=(), queues=[settings.queue])
            receiver = Receiver(
                settings.queue,
                redis,
                name=name,
                intake=parts.intake,
                chores=CHORES,
                stop=stop,
                may_claim=may_claim,
                tally=parts.tally,
            )
            receiver.work(logging_level="WARNING")
        except Exception as trouble:  # noqa: BLE001  # whatever it was, deliveries must go on
            log.warning("receiver_ended", trouble=repr(trouble)[:300])
        finally:
            redis.close()
        if not stop.is_set():
            stop.wait(RESTART_AFTER_S)


def _wind_down(settings: Settings, parts: Parts, until: float) -> None:
    """Hand back what has not begun, let the rest finish within the grace, kill what is left, write it all down."""
    slots, grace_s = parts.slots, settings.shutdown_grace_s
    if not slots.room.wait_until_all_free(until - time.monotonic()):
        slots.kill_all(("worker_lost", f"The worker was stopped; the task had {grace_s:g} s to end."))
    slots.close()
    if not parts.lost_answers.settle_all(until - time.monotonic()):
        log.warning("lost_answers_not_settled")
    if not parts.finisher.close(LAST_WRITES_S):
        log.error("outcomes_not_written")
    parts.tally.close(LAST_COUNTS_S)
    parts.heartbeat.stop()


def _end_without(essential: set[str]) -> Callable[[threading.ExceptHookArgs], None]:
    """A worker that lost one of these threads would hold its tasks for ever: it ends, and the sweeper names them."""
    otherwise = threading.excepthook

    def hook(died: threading.ExceptHookArgs) -> None:
        try:
            otherwise(died)
        finally:
            if died.thread and died.thread.name in essential:
                os._exit(BROKEN)

    return hook


if __name__ == "__main__":
    main()

"""The `worker` process: `python -m workers.worker`.

A package with a `__main__` module, because multiprocessing imports any other main module again in each child.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from uuid import uuid4

from redis.exceptions import RedisError

from app.broker.corrupt_keys import drop_corrupt_keys
from app.broker.due_set import DueSet
from app.clock import PostgresClock
from app.config import Settings, read_settings, worker_name
from app.connections import connect_postgres, connect_redis
from app.counter_buffer import CounterBuffer
from app.errors import InvalidSetting, LedgerUnavailable
from app.file_limit import raise_file_limit
from app.ledger import server
from app.liveness import EXIT_SOFTWARE, LoopState, Watchdog, end_process, watch
from app.logs import configure_logs, get_logger
from app.loop import repeat, stop_on_signals
from app.reasons import reason_of
from app.start import sentence_instead_of_traceback
from app.streams import open_missing_streams
from app.task_types import load_task_types
from workers.chores import CHORES
from workers.pool import output
from workers.pool.pool import DurationStats, Pool
from workers.pool.protocol import Failure
from workers.pool.slot import MAX_FILES
from workers.worker.ability import Ability
from workers.worker.claimer import Claimer
from workers.worker.finisher import Finisher
from workers.worker.heartbeat import Heartbeat
from workers.worker.inbox import Inbox
from workers.worker.receiver import Receiver
from workers.worker.unresolved_claims import UnresolvedClaims

log = get_logger()

POSTGRES_CONNECTIONS = 3  # one each for claiming, finishing and the heartbeat; the counters borrow one for a moment
REDIS_TIMEOUT_S = 5.0
OTHER_FILES = 64  # connections, selectors, logs, the pipes of one start
POLL_S = 0.5
LAST_DELIVERY_S = 3.0
LAST_WRITES_S = 4.0
LAST_COUNTS_S = 1.0
RESTART_AFTER_S = 1.0
END_MARGIN_S = 5.0
MIN_LOOP_LIMIT_S = 30.0
ESSENTIAL_THREADS = {"pool", "finisher", "claimer", "heartbeat", "fence", "signals", "deliveries"}


@dataclass(frozen=True, slots=True)
class Parts:
    """The actors of one worker process."""

    pool: Pool
    finisher: Finisher
    heartbeat: Heartbeat
    ability: Ability
    inbox: Inbox
    claimer: Claimer
    unresolved: UnresolvedClaims
    counters: CounterBuffer


def assemble(settings: Settings, *, worker_id: str, end: Callable[[str], object] = end_process) -> Parts:
    """Create all parts. Only the thread of the pool is started. `end` is called when the worker can run no tasks.

    Their Redis connections have short timeouts, because neither claims nor outcomes must wait for Redis.
    """
    types = load_task_types(settings)
    engine = connect_postgres(settings, name="worker", pool=POSTGRES_CONNECTIONS, keeps_plans=True)
    server.exit_if_unsuitable(engine, "worker")
    counters, durations = CounterBuffer(engine), DurationStats(settings.max_tasks_per_child)
    finisher = Finisher(engine, DueSet(connect_redis(settings)), counters, durations.means_ms)
    pool = Pool(types, slots=settings.slots, durations=durations, results=finisher, modules=settings.preloaded)
    unresolved = UnresolvedClaims(engine, finisher, resolve_after_s=2 * settings.database_timeout_s)
    clock = PostgresClock(partial(server.clock, engine))
    inbox = Inbox(pool, clock=clock)
    ability = Ability(pool, end)
    heartbeat = Heartbeat(engine, settings, worker_id=worker_id, pool=pool, unresolved=unresolved, ability=ability)
    claimer = Claimer(
        engine,
        DueSet(connect_redis(settings)),
        inbox,
        pool,
        types,
        worker_id=worker_id,
        unresolved=unresolved,
        may_claim=heartbeat.may_claim,
        counters=counters,
        clock=clock,
    )
    return Parts(pool, finisher, heartbeat, ability, inbox, claimer, unresolved, counters)


def main() -> None:
    """Run until SIGTERM or SIGINT; then stop within SHUTDOWN_GRACE_S."""
    open_missing_streams()
    settings = read_settings()
    try:
        raise_file_limit(OTHER_FILES + MAX_FILES * settings.slots, because=f"SLOTS={settings.slots}")
    except InvalidSetting as wrong:
        sys.exit(f"The worker does not start: {wrong}")
    worker_id = worker_name(uuid4().hex[:8])
    output.write_whole_lines(runs_one_task=False)
    configure_logs(settings, process="worker", worker_id=worker_id)
    threading.excepthook = _exit_without(ESSENTIAL_THREADS)
    stop = stop_on_signals()
    ending = Ending(stop, limit_s=settings.shutdown_grace_s + LAST_WRITES_S + END_MARGIN_S)
    parts = assemble(settings, worker_id=worker_id, end=ending.begin)
    parts.pool.prepare()
    for each in (parts.finisher, parts.counters):
        each.start()  # now, because later no thread may be left
    parts.heartbeat.start()
    Watchdog(ending.begin, limit_s=loop_limit_s(settings)).start(stop)
    _start("ability", parts.ability.step, wait=lambda: stop.wait(POLL_S), stop=stop)
    log.info("worker_started", queue=settings.queue, slots=settings.slots)

    claiming = _start("claimer", parts.claimer.step, wait=lambda: None, stop=stop)
    # In a thread, because RQ may wait longer for a frozen Redis than SHUTDOWN_GRACE_S.
    names = (f"{worker_id}.{number}" for number in count(1))
    watch(deliveries := LoopState("deliveries"))
    receive = partial(_receive, settings, parts, stop, names=names, state=deliveries)
    receiving = _start("deliveries", receive, wait=lambda: stop.wait(RESTART_AFTER_S), stop=stop, is_watched=False)
    while not stop.wait(POLL_S):
        pass  # Python runs signal handlers in this thread, so it has to wake even if another one received the signal
    until = time.monotonic() + settings.shutdown_grace_s
    parts.pool.withdraw_all()
    claiming.join(settings.shutdown_grace_s)  # a claim in progress is answered and handed back
    receiving.join(LAST_DELIVERY_S)
    with suppress(LedgerUnavailable):
        parts.claimer.put_back_all()
    _wind_down(settings, parts, until)
    log.info("worker_stopped")
    if ending.why:
        sys.exit(EXIT_SOFTWARE)


class Ending:
    """Stops a worker that can run no tasks, so that running ones may end; kills it if it does not stop in time."""

    def __init__(self, stop: threading.Event, *, limit_s: float) -> None:
        self.why = ""
        self._stop = stop
        self._limit_s = limit_s
        self._begun = threading.Event()
        threading.Thread(target=self._kill, name="ending", daemon=True).start()  # later no thread may be left

    def begin(self, why: str) -> None:
        """Begin to stop. Further calls change nothing."""
        if not self.why:
            self.why = why
            self._begun.set()
            self._stop.set()
            log.error("process_unable", why=why)  # last, because writing to the log may block

    def _kill(self) -> None:
        self._begun.wait()
        time.sleep(self._limit_s)
        os._exit(EXIT_SOFTWARE)


def loop_limit_s(settings: Settings) -> float:
    """Return after how many seconds without a step a loop counts as dead; more than any step may take."""
    return max(MIN_LOOP_LIMIT_S, 6 * settings.database_timeout_s, 3 * settings.heartbeat_s)


def _start(
    name: str, step: Callable[[], bool], *, wait: Callable[[], object], stop: threading.Event, is_watched: bool = True
) -> threading.Thread:
    """Repeat a step in a thread until `stop` is set."""
    options = {"wait": wait, "stop": stop, "name": name, "is_watched": is_watched}
    thread = threading.Thread(target=repeat, args=(step,), kwargs=options, name=name, daemon=True)
    thread.start()
    return thread


def _receive(
    settings: Settings, parts: Parts, stop: threading.Event, *, names: Iterator[str], state: LoopState
) -> bool:
    """Receive deliveries until `stop` is set or RQ's loop ends with an error; each call uses the next name.

    Raises:
        RedisError: Redis is unavailable; the loop waits before the next call.
    """
    redis = connect_redis(settings, timeout_s=REDIS_TIMEOUT_S)
    try:
        drop_corrupt_keys(redis, types=(), queues=[settings.queue])
        receiver = Receiver(
            settings.queue,
            redis,
            name=next(names),
            inbox=parts.inbox,
            chores=CHORES,
            stop=stop,
            may_claim=parts.heartbeat.may_claim,
            counters=parts.counters,
            state=state,
        )
        receiver.work(logging_level="WARNING")
    except RedisError as error:
        state.step_done(unavailable=error)
        raise
    except Exception as error:  # noqa: BLE001  # deliveries must go on after any error
        state.step_failed(error)
        log.warning("receiver_ended", trouble=reason_of(error))
    finally:
        redis.close()
    return False


def _wind_down(settings: Settings, parts: Parts, until: float) -> None:
    """Let running tasks end until `until`, kill those that are left, and write all outcomes."""
    pool, grace_s = parts.pool, settings.shutdown_grace_s
    if busy := pool.free_slots.busy:
        log.info("worker_waits", slots=busy, grace_s=grace_s)
    if not pool.free_slots.wait_until_all_free(until - time.monotonic()):
        pool.kill_all(Failure("worker_lost", f"The worker was stopped; the task had {grace_s:g} s to end."))
    pool.close()
    if not parts.unresolved.resolve_all(until - time.monotonic()):
        log.warning("unresolved_claims_left")
    if not parts.finisher.close(LAST_WRITES_S):
        log.error("outcomes_not_written")
    parts.counters.close(LAST_COUNTS_S)
    parts.heartbeat.stop()


def _exit_without(essential: set[str]) -> Callable[[threading.ExceptHookArgs], None]:
    """Return a hook that ends the process when one of these threads dies.

    Without that thread the worker would never end its tasks. Once the process has ended, the sweeper rescues them.
    """
    previous = threading.excepthook

    def hook(died: threading.ExceptHookArgs) -> None:
        try:
            previous(died)
        finally:
            if died.thread and died.thread.name in essential:
                os._exit(EXIT_SOFTWARE)

    return hook


if __name__ == "__main__":
    with sentence_instead_of_traceback("worker"):
        main()

"""One run: a service, its load and the injection of faults; then account for every task."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from tests.acceptance.service import Service
from tests.acceptance.stores import Stores
from tests.acceptance.witness import Witness
from tests.faults.checker import check
from tests.faults.history import History
from tests.faults.kinds.table import ROUTES
from tests.faults.load.creators import Creators
from tests.faults.load.deleters import Deleters
from tests.faults.load.outside import OutsideWorkers
from tests.faults.load.request_log import RequestLog
from tests.faults.load.work import Work
from tests.faults.nemesis import Nemesis, timetable
from tests.faults.network import Network
from tests.faults.postgres_clock import PostgresClock
from tests.faults.report import Report
from tests.faults.revival import Platform
from tests.faults.scene import Scene
from tests.faults.trail import Trail
from tests.restricted import as_role, as_user

if TYPE_CHECKING:
    from tests.faults.nemesis import Strike
    from tests.faults.plan import Plan

ANSWER_S = 5.0
VARIABLES = {"redis": "REDIS_URL", "postgres": "DATABASE_URL"}
HANDLERS = "workers.handlers,tests.handlers,tests.faults.handlers"
CATCH_UP_S = 120.0
RECOVERED_AFTER_S = 1.0
CALM_SHARE = 0.05
POLL_INTERVAL_S = 0.2


def no_log(_: str) -> None:
    """Discard a line."""


def run_chaos(plan: Plan, *, log: Callable[[str], object] = no_log, logs: Path | None = None) -> Report:
    """Carry out a plan and check its history. Call it in the main thread only; `logs` keeps output of processes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="punctual-chaos-")))
        folder.chmod(0o755)
        run = Run(plan, folder, logs or folder / "service", stack, log)
        run.carry_out()
    return Report(plan, run.history, check(run.history, plan))


class Run:
    """The parts of one run; its result is `history`."""

    def __init__(self, plan: Plan, folder: Path, logs: Path, stack: ExitStack, log: Callable[[str], object]) -> None:
        self.history = History(worker_dead_after_s=plan.worker_dead_after_s)
        self._plan = plan
        self._is_stopped = False
        self._log = log
        self._witness = Witness(folder / "witness")
        stores = stack.enter_context(Stores(folder))
        self._service = _service(plan, stores, logs)
        network = stack.enter_context(_network(self._service))
        stack.callback(self._stop_service)
        clock = PostgresClock(self._service.database_url)
        self._scene = Scene(self._service, network, stores.postgres, plan.seed, clock)
        self._platform = Platform(self._scene)
        self._nemesis = Nemesis(self._scene, self._platform, log)
        self._trail = Trail(self._service.database_url)
        self._requests = RequestLog(self._service.client)
        self._deleters = Deleters(self._requests)
        work = Work(plan.seed, plan.mix, self._witness.file)
        self._creators = Creators(
            lambda: self._service.urls, self._requests, work, self._deleters, self._scene.recent, timeout_s=ANSWER_S
        )

    def carry_out(self) -> None:
        """Run without faults, with faults until all tasks are final, and without faults again; then collect."""
        plan, usual = self._plan, self._plan.tasks / self._plan.seconds
        calm_tasks = int(min(plan.tasks * CALM_SHARE, usual * plan.calm_s))
        self._service.start(**{kind: count for kind, count in plan.processes.items() if count})
        outside = OutsideWorkers(self._requests, self._witness.file, plan.seed)
        began_at = time.time()
        self._load(calm_tasks, [], plan.calm_s)
        if plan.faults:
            self.history.claims_lost = self._trail.claims_lost()
        calm = (began_at + plan.calm_s / 2, time.time() - RECOVERED_AFTER_S)
        self._load(plan.tasks - 2 * calm_tasks, timetable(plan), plan.seconds)
        self.history.healed_at = time.time()
        self.history.final_at = self._wait_until_final()
        self._load(calm_tasks, [], plan.calm_s)
        if self.history.final_at is not None:
            self._wait_until_final()
        self.history.calm = (calm, (self.history.final_at or time.time(), time.time()))
        for each in (self._deleters, outside):
            each.stop()
        if not plan.faults:
            self.history.claims_lost = self._trail.claims_lost()
        self._stop_service()  # tasks that are not final must not change while they are read
        self._collect()

    def _load(self, tasks: int, strikes: Sequence[Strike], seconds: float) -> None:
        """Create this number of tasks while faults are injected."""
        self._log(f"{tasks} tasks and {len(strikes)} faults in {seconds:g} s")
        creating = Thread(
            target=self._creators.create, args=(tasks,), kwargs={"over_s": seconds, "catch_up_s": CATCH_UP_S}
        )
        creating.start()
        self._nemesis.run(strikes, seconds=seconds)
        while creating.is_alive():
            self._nemesis.idle(POLL_INTERVAL_S)

    def _wait_until_final(self) -> float | None:
        """Return when all tasks were final; None if that takes too long."""
        deadline = time.monotonic() + self._plan.timeout_s
        while time.monotonic() < deadline:
            if self._trail.unfinished() == 0:
                return time.time()
            self._nemesis.idle(POLL_INTERVAL_S)
        return None

    def _collect(self) -> None:
        history = self.history
        history.tasks, history.changes = self._trail.tasks(), self._trail.changes()
        history.sights, history.answers = self._witness.sights(), self._requests.answers
        history.faults = self._nemesis.struck
        history.unexpected_ends += self._platform.unexpected_ends

    def _stop_service(self) -> None:
        """Stop the service once, also when the run was interrupted."""
        if self._is_stopped:
            return
        self._is_stopped = True
        for each in self._service.processes.values():
            if each.kind == "web":
                each.expected_codes |= {1, -signal.SIGTERM}  # granian's, when its children ended first
        try:
            self._service.stop()
        except AssertionError as disorder:
            self.history.unexpected_ends.append(f"at the end: {disorder}")


def _service(plan: Plan, stores: Stores, logs: Path) -> Service:
    skewed = {f"{name}_promoter": f"python -m tests.acceptance.skewed_promoter {ahead_s}"
              for name, ahead_s in (("fast", 5), ("slow", -5))}  # fmt: skip
    environment = {"TASK_MODULES": HANDLERS, **plan.variables}
    return Service(stores, logs, environment, commands=skewed | dict(plan.commands), timeout_s=ANSWER_S)


def _network(service: Service) -> Network:
    """Set up a proxy of its own for each kind of process and server."""
    urls = {"redis": as_user(service.valkey.url), "postgres": as_role(service.database_url)}
    network = Network({each: urls[each.partition("-")[2]] for each in ROUTES})
    for route in ROUTES:
        kind, _, server = route.partition("-")
        service.environment_of.setdefault(kind, {})[VARIABLES[server]] = network.url(route)
    return network

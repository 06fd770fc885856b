"""Run the processes of the Procfile until a signal stops the run, or one of them ends right after its first start."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import honcho.manager
from honcho.printer import Printer

from local.output import Output
from local.supervised import Stop, Supervised

honcho.manager.KILL_WAIT = 30  # its default of 5 s would kill running tasks
STOPPED_BY_SIGNAL = {each["rc"] for each in honcho.manager.SIGNALS.values()}
QUIET_STOP_S = 1.0
DEFAULT_GRACE_S = "25"
WAITING = (
    "waiting for {names}: running tasks have SHUTDOWN_GRACE_S ({grace} s) to end; "
    "Ctrl-C again ends everything at once, and they fail with worker_lost\n"
)


class Formation(honcho.manager.Manager):  # type: ignore[misc]  # honcho has no type hints
    """honcho's manager, with processes that are restarted, and stopped through a pipe.

    `beside` is called in a thread once all processes have been started.
    """

    def __init__(self, output: Output, environment: Mapping[str, str], beside: Callable[[], None]) -> None:
        super().__init__(Printer(output, time_format="%H:%M:%S" if not output.isatty() else ""))
        self._environment = dict(environment)
        self._threads = [threading.Thread(target=each, daemon=True) for each in (beside, self._say_what_is_awaited)]
        self._stop = Stop()
        self._process_ctor = Supervised

    def add(self, name: str, command: str) -> None:
        """Run ``command`` as ``name`` once `loop` is called."""
        self.add_process(name, command, env=self._environment).stop = self._stop

    def stopped_on_request(self) -> bool:
        """Return whether a signal ended the loop."""
        return self.returncode in STOPPED_BY_SIGNAL

    def loop(self) -> None:
        """Run until stopped. SIGHUP (the terminal was closed) stops, too, unless it is ignored, as under nohup."""
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        super().loop()

    def terminate(self) -> None:
        """Stop all: each keeper stops its command, restarted or not. Commands without a keeper get SIGTERM."""
        self._terminating = True
        self._stop.send()
        for process in self._processes.values():
            if _keeper_died(process) and "pid" in process:
                self._procmgr.terminate(process["pid"])

    def _killall(self, force: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - honcho's signature
        for process in self._processes.values():
            if "pid" in process and "returncode" not in process:
                self._procmgr.kill(process["pid"])

    def _start(self) -> None:
        for number in honcho.manager.SIGNALS:
            signal.signal(number, self._on_signal)
        gc.collect()
        gc.freeze()  # pages shared with the keepers stay shared: their garbage collections do not write to them
        super()._start()
        for each in self._threads:  # after the forks: a process with threads should not fork
            each.start()

    def _on_signal(self, number: int, _frame: object) -> None:
        """Stop gracefully at the first signal, and immediately at a second Ctrl-C."""
        if number == signal.SIGINT and self.stopped_on_request():
            self._system_print("second Ctrl-C: everything ends at once\n")
            self.kill()
            return
        known = honcho.manager.SIGNALS[number]
        self._system_print(f"{known['name']} received\n")
        self.returncode = known["rc"]
        self.terminate()

    def _say_what_is_awaited(self) -> None:
        """Print, a moment after the request to stop, which processes still run and how long they may."""
        while not self._stop.wait(QUIET_STOP_S):
            pass
        time.sleep(QUIET_STOP_S)
        left = [name for name, each in self._processes.items() if "returncode" not in each and not _keeper_died(each)]
        if left:
            grace = self._environment.get("SHUTDOWN_GRACE_S") or DEFAULT_GRACE_S
            self._system_print(WAITING.format(names=", ".join(left), grace=grace))

    def _all_started(self) -> bool:
        return all("pid" in each or _keeper_died(each) for each in self._processes.values())

    def _any_stopped(self) -> bool:
        return any("returncode" in each or _keeper_died(each) for each in self._processes.values())

    def _all_stopped(self) -> bool:
        return all("returncode" in each or _keeper_died(each) for each in self._processes.values())


def _keeper_died(process: Mapping[str, Any]) -> bool:
    """Return whether a started keeper has ended without its last message, so that it was killed."""
    keeper = process.get("process")
    return keeper is not None and "returncode" not in process and keeper.exitcode is not None

"""Runs the processes of the Procfile side by side until somebody stops the run or one of them cannot live."""

from __future__ import annotations

import gc
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import honcho.manager
from honcho.printer import Printer

from local.stop import Stop
from local.supervised import Supervised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.output import Output

honcho.manager.KILL_WAIT = 30  # its 5 s would cut off running tasks
STOPPED_BY_SIGNAL = {each["rc"] for each in honcho.manager.SIGNALS.values()}


class Formation(honcho.manager.Manager):  # type: ignore[misc]  # honcho has no type hints
    """honcho's manager, with processes that are kept running and stop when told by a pipe."""

    def __init__(self, output: Output, environment: Mapping[str, str], beside: Callable[[], None]) -> None:
        super().__init__(Printer(output))
        self._environment = dict(environment)
        self._beside = threading.Thread(target=beside, daemon=True)
        self._stop = Stop()
        self._process_ctor = Supervised

    def add(self, name: str, command: str) -> None:
        """Have ``command`` run as ``name`` from the loop on."""
        self.add_process(name, command, env=self._environment).stop = self._stop

    def stopped_on_request(self) -> bool:
        """Whether a signal ended the loop."""
        return self.returncode in STOPPED_BY_SIGNAL

    def loop(self) -> None:
        """Run until stopped; a closed terminal is a request to stop too, unless nohup said otherwise."""
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        super().loop()

    def terminate(self) -> None:
        """Ask all to stop: their keepers do that, whichever life they are in."""
        self._terminating = True
        self._stop.give()
        for process in self._processes.values():
            if _keeper_died(process) and "pid" in process:
                self._procmgr.terminate(process["pid"])

    def _killall(self, force: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - honcho's signature
        for process in self._processes.values():
            if "pid" in process and "returncode" not in process:
                self._procmgr.kill(process["pid"])

    def _start(self) -> None:
        gc.collect()
        gc.freeze()  # what the keepers share with us stays shared: their collections do not write to it
        super()._start()
        self._beside.start()  # not earlier: a process with threads had better not fork

    def _all_started(self) -> bool:
        return all("pid" in each or _keeper_died(each) for each in self._processes.values())

    def _any_stopped(self) -> bool:
        return any("returncode" in each or _keeper_died(each) for each in self._processes.values())

    def _all_stopped(self) -> bool:
        return all("returncode" in each or _keeper_died(each) for each in self._processes.values())


def _keeper_died(process: Mapping[str, Any]) -> bool:
    """Killed, so that its last message never comes; not so one that the loop has yet to start."""
    keeper = process.get("process")
    return keeper is not None and "returncode" not in process and keeper.exitcode is not None

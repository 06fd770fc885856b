"""A process that is started again after a mishap, and ended when the run ends or is killed.

It lives in a small process of its own, its keeper, forked from the run as honcho's processes are, and speaks to the run
by honcho's messages.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from honcho.process import Process

if TYPE_CHECKING:
    import subprocess

    from local.stop import Stop

LOOK_SECONDS = 0.5
AT_ONCE_SECONDS = 5.0  # a process that ends by itself this soon after its first start is a mistake, later a mishap
LONG_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
GRACE_SECONDS = 28.0  # for what a worker runs; honcho kills a little later


class Supervised(Process):  # type: ignore[misc]  # honcho has no type hints
    """One process of the Procfile, kept running until the stop is given."""

    stop: Stop

    def run(self, events: Any, ignore_signals: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - honcho's signature
        """Run the command again and again; returns when it is to stop, or ended right after its first start."""
        self._events = events
        self.stop.listen()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave_it_to_the_run)
        code, lived = self._live()
        if code >= 0 and lived < AT_ONCE_SECONDS and not self.stop.wait(0):
            self._send_message(f"ended right after its start (code {code}): everything stops\n")
        else:
            code = self._revive(code, lived)
        self._send_message({"returncode": code}, type="stop")

    def _revive(self, code: int, lived: float) -> int:
        """Start it again after each mishap, more slowly each time; the last return code."""
        pause = FIRST_PAUSE_SECONDS
        while not self.stop.wait(0):
            pause = FIRST_PAUSE_SECONDS if lived > LONG_SECONDS else pause
            self._send_message(f"ended ({_how(code)}), starts again in {pause:.0f} s\n")
            if not self.stop.wait(pause):
                code, lived = self._live()
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return code

    def _live(self) -> tuple[int, float]:
        """One life of the command: its return code and its seconds."""
        born = time.monotonic()
        child = self._child_ctor(f"exec {self.cmd}", env=self.env, cwd=self.cwd)
        self._send_message({"pid": child.pid}, type="start")
        ended = threading.Event()
        beside = [
            threading.Thread(target=self._pass_on, args=(child.stdout,), daemon=True),
            threading.Thread(target=self._end_when_asked, args=(child, ended), daemon=True),
        ]
        for thread in beside:
            thread.start()
        code = child.wait()
        ended.set()
        _end_group(child.pid)  # what it started and left behind
        beside[0].join(timeout=1)
        return code, time.monotonic() - born

    def _end_when_asked(self, child: subprocess.Popen[bytes], ended: threading.Event) -> None:
        """Ask once, and only the command itself: what it started is its own to stop."""
        while not self.stop.wait(LOOK_SECONDS):
            if ended.is_set():
                return
        if ended.is_set():
            return
        child.terminate()
        if not ended.wait(GRACE_SECONDS):
            _end_group(child.pid)

    def _pass_on(self, output: Any) -> None:
        for line in iter(output.readline, b""):
            self._send_message(line)


def _leave_it_to_the_run(_number: int, _frame: object) -> None:
    """Do nothing. Not SIG_IGN, which the command would inherit."""


def _end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"code {code}"

"""A process of the Procfile that is restarted when it ends, and stopped when the run stops or is killed.

A small process, its keeper, starts and waits for it. The keeper is forked from the run, as honcho does for each
process, and sends honcho's messages to the run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import threading
import time
from multiprocessing.connection import wait
from typing import Any

from honcho.process import Process

POLL_INTERVAL_S = 0.5
STARTUP_FAILURE_S = 5.0  # a process that ends by itself this soon after its first start is not restarted
MIN_UPTIME_S = 60.0  # after which the pause before a restart is the first one again
FIRST_PAUSE_S, MAX_PAUSE_S = 1.0, 30.0
GRACE_S = 28.0  # for running tasks; less than honcho's KILL_WAIT


class Stop:
    """A request to stop that all processes of a run receive: the end of a pipe, closed also by the death of the run.

    An Event of multiprocessing blocks its setter when a process that waits for it was killed.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = multiprocessing.Pipe(duplex=False)

    def send(self) -> None:
        """Request a stop. May be repeated."""
        self._write_end.close()

    def listen(self) -> None:
        """Close this process' copy of the write end: only the run itself may keep it open."""
        self._write_end.close()

    def wait(self, seconds: float) -> bool:
        """Wait up to this number of seconds; return whether a stop was requested."""
        return bool(wait([self._read_end], seconds))


class Supervised(Process):  # type: ignore[misc]  # honcho has no type hints
    """One process of the Procfile, restarted until a stop is requested."""

    stop: Stop

    def run(self, events: Any, ignore_signals: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - honcho's signature
        """Run the command again and again; return after a stop, or if it ended right after its first start."""
        self._events = events
        self.stop.listen()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _ignore)
        code, uptime_s = self._run_once()
        if code >= 0 and uptime_s < STARTUP_FAILURE_S and not self.stop.wait(0):
            self._send_message(f"ended right after its start (code {code}): everything stops\n")
        else:
            code = self._restart_forever(code, uptime_s)
        self._send_message({"returncode": code}, type="stop")

    def _restart_forever(self, code: int, uptime_s: float) -> int:
        """Restart the command whenever it ends, with growing pauses; return the last return code."""
        pause = FIRST_PAUSE_S
        while not self.stop.wait(0):
            pause = FIRST_PAUSE_S if uptime_s > MIN_UPTIME_S else pause
            self._send_message(f"ended ({_cause(code)}), starts again in {pause:.0f} s\n")
            if not self.stop.wait(pause):
                code, uptime_s = self._run_once()
            pause = min(pause * 2, MAX_PAUSE_S)
        return code

    def _run_once(self) -> tuple[int, float]:
        """Run the command until it ends; return its return code and its uptime in seconds."""
        began = time.monotonic()
        child = self._child_ctor(f"exec {self.cmd}", env=self.env, cwd=self.cwd)
        self._send_message({"pid": child.pid}, type="start")
        ended = threading.Event()
        threads = [
            threading.Thread(target=self._forward_output, args=(child.stdout,), daemon=True),
            threading.Thread(target=self._stop_when_requested, args=(child, ended), daemon=True),
        ]
        for thread in threads:
            thread.start()
        code = child.wait()
        ended.set()
        _kill_group(child.pid)  # processes that it has left behind
        threads[0].join(timeout=1)
        return code, time.monotonic() - began

    def _stop_when_requested(self, child: subprocess.Popen[bytes], ended: threading.Event) -> None:
        """Send one SIGTERM to the command alone, which stops its own children; SIGKILL to all after GRACE_S."""
        while not self.stop.wait(POLL_INTERVAL_S):
            if ended.is_set():
                return
        if ended.is_set():
            return
        child.terminate()
        if not ended.wait(GRACE_S):
            _kill_group(child.pid)

    def _forward_output(self, output: Any) -> None:
        for line in iter(output.readline, b""):
            self._send_message(line)


def _ignore(_number: int, _frame: object) -> None:
    """Ignore a signal: the run handles it. Not SIG_IGN, which the command would inherit."""


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _cause(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"code {code}"

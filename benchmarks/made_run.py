"""`make run` as somebody has it who just started it, with data of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks.descendants import descendants
from local.run import TOP
from local.web import running_url

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S, STOP_S, LOOK_S = 60.0, 40.0, 0.1
GIVEN_ELSEWHERE = {"DATABASE_URL", "REDIS_URL", "PORT"}


class MadeRun:
    """The process that `make run` starts, and whatever it starts itself."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def pids(self) -> set[int]:
        """All of them."""
        return {self._pid, *descendants(self._pid)}


@contextmanager
def made_run() -> Iterator[MadeRun]:
    """Started, and ready; stopped as by Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="punctual-run-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        environment = {key: value for key, value in os.environ.items() if key not in GIVEN_ELSEWHERE}
        process = subprocess.Popen(
            [sys.executable, "-m", "local.run"],
            cwd=TOP, env=environment | {"PUNCTUAL_VAR": name}, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until_ready(folder)
            yield MadeRun(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_S)


def _wait_until_ready(folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while not _is_ready(running_url(folder)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"`make run` was not ready after {START_S:g} s")
        time.sleep(LOOK_S)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=2).ok
    except requests.RequestException:  # not even an address yet
        return False

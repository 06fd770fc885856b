"""A service of the benchmarks' own: `local.run` with fresh durable servers, its output thrown away."""

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

from local.address import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).resolve().parents[1]
START_S, STOP_S = 60.0, 40.0


@contextmanager
def running_service(*, workers: int) -> Iterator[str]:
    """The URL of a service that nobody else uses; everything is stopped and thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="punctual-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        port = str(free_port())
        wanted = {"PUNCTUAL_VAR": folder, "PORT": port, "WORKERS": str(workers), "LOG_LEVEL": "warning"}
        environment = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
        with subprocess.Popen(
            [sys.executable, "-m", "local.run"], cwd=TOP, env=environment | wanted, stdout=subprocess.DEVNULL
        ) as run:
            try:
                yield _when_ready(f"http://127.0.0.1:{port}")
            finally:
                run.send_signal(signal.SIGTERM)
                run.wait(STOP_S)


def _when_ready(url: str) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/ready", timeout=2).ok:
                return url
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{url} is not ready after {START_S:g} s")

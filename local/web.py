"""Where the API answers: its port, the run file in which commands find it, and the message once it is ready."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from local import RunError
from local.files import write_private
from local.ports import is_free, wait_until_free

PORT = 8000
PORTS_TRIED = 100
MAX_PORT = 65_535
STOP_SECONDS = 10.0
READY_SECONDS = 60.0
POLL_INTERVAL_S = 0.1
RUN_FILE = "run.env"
WELCOME = """
  Punctual is ready     {url}
  API documentation     {url}/docs
  RQ dashboard          {url}/rq
  Postgres              {psql}
  API keys              {keys}

  Create a task that runs in 5 seconds:
    curl -s -X POST {url}/tasks{header} -H 'content-type: application/json' -d '{{"type":"foo","delay_s":5}}'

  Ctrl-C stops everything; the tasks are kept.
"""

NOT_NEEDED = "not needed here"
NEEDED = ".venv/bin/python -m app keys create NAME --scope admin"
HEADER = ' -H "Authorization: Bearer $PUNCTUAL_API_KEY"'
UNAUTHENTICATED = 401
# A proxy does not know 127.0.0.1 of this machine.
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def web_port(environment: Mapping[str, str], directory: Path) -> int:
    """Return PORT if it is set, otherwise the first free port from 8000 on."""
    _wait_for_killed_run(directory)
    requested = environment.get("PORT")
    if not requested:
        port = next(filter(is_free, range(PORT, PORT + PORTS_TRIED)), None)
        if port is None:
            raise RunError(f"no port from {PORT} to {PORT + PORTS_TRIED - 1} is free: name one, PORT=9000 make run")
        return port
    if not requested.isdecimal() or not 0 < int(requested) <= MAX_PORT:
        raise RunError(f"PORT must be a whole number from 1 to {MAX_PORT}")
    if not is_free(int(requested)):
        raise RunError(f"port {requested} is taken: name another, PORT=9000 make run")
    return int(requested)


def base_url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches the API that listens on ``host``."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared, not used
    return f"http://[{name}]:{port}" if ":" in name and not name.startswith("[") else f"http://{name}:{port}"


def write_run_file(directory: Path, values: Mapping[str, str]) -> Path:
    """Write KEY=value lines, which are kept as long as the run lasts; they contain passwords."""
    file = directory / RUN_FILE
    write_private(file, "".join(f"{name}={value}\n" for name, value in values.items()))
    return file


def running_url(directory: Path) -> str:
    """Return the URL of the run that uses ``directory``, or a phrase if it has not chosen one."""
    return _read(directory).get("BASE_URL", "an address it has yet to choose")


def not_ready_because(url: str) -> str | None:
    """Wait until ``url``/ready answers 200. Return None then, otherwise the last answer."""
    deadline = time.monotonic() + READY_SECONDS
    while (answer := _ask(f"{url}/ready")) is not None and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL_S)
    return answer


def welcome_to(url: str, directory: Path) -> str:
    """Return the message for the user who started the run. Its commands can be pasted; it contains no password."""
    needed = _needs_key(url)
    return WELCOME.format(
        url=url,
        psql=f'psql "$(sed -n s/^DATABASE_URL=//p {os.path.relpath(directory / RUN_FILE)})"',
        keys=NEEDED if needed else NOT_NEEDED,
        header=HEADER if needed else "",
    )


def _wait_for_killed_run(directory: Path) -> None:
    """Wait for the processes of a killed run, whose run file is still there: they end by themselves."""
    port = _read(directory).get("BASE_URL", "").rpartition(":")[2]
    if port.isdecimal():
        wait_until_free(int(port), STOP_SECONDS)


def _read(directory: Path) -> dict[str, str]:
    try:
        lines = (directory / RUN_FILE).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _needs_key(url: str) -> bool:
    return (_ask(f"{url}/tasks?limit=1") or "").startswith(f"{UNAUTHENTICATED} ")


def _ask(url: str) -> str | None:
    try:
        with NO_PROXY.open(url, timeout=5):
            return None
    except urllib.error.HTTPError as refusal:
        with refusal:
            return f"{refusal.code} {refusal.read(2_000).decode(errors='replace')}"
    except OSError as failure:
        return str(failure)

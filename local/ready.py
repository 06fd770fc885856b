"""Waits until the service answers that it is ready, and says where it is."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

READY_SECONDS = 60.0
LOOK_SECONDS = 0.1
WELCOME = """
  Punctual is ready     {url}
  API documentation     {url}/docs
  RQ dashboard          {url}/rq
  Postgres              {database}
  API keys              {keys}

  Create a task that runs in 5 seconds:
    curl -s -X POST {url}/tasks{header} -H 'content-type: application/json' -d '{{"type":"foo","delay_s":5}}'

  Ctrl-C stops everything; the tasks are kept.
"""

NOT_NEEDED = "not needed here"
NEEDED = ".venv/bin/python -m app keys create NAME --scope admin"
HEADER = ' -H "Authorization: Bearer $PUNCTUAL_API_KEY"'
UNAUTHENTICATED = 401

STRAIGHT = urllib.request.build_opener(
    urllib.request.ProxyHandler({})
)  # a proxy does not know this machine's 127.0.0.1


def not_ready_because(url: str) -> str | None:
    """Wait for ``url``/ready to be 200: None then, otherwise its last answer."""
    deadline = time.monotonic() + READY_SECONDS
    while (answer := _ask(f"{url}/ready")) is not None and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return answer


def welcome_to(url: str, database: str) -> str:
    """What the person who started it wants to know; without the database's password."""
    parts = urlsplit(database)
    address = parts.netloc.rpartition("@")[2]
    needed = _needs_key(url)
    return WELCOME.format(
        url=url,
        database=f"{parts.scheme}://{parts.username or ''}@{address}{parts.path}",
        keys=NEEDED if needed else NOT_NEEDED,
        header=HEADER if needed else "",
    )


def _needs_key(url: str) -> bool:
    return (_ask(f"{url}/tasks?limit=1") or "").startswith(f"{UNAUTHENTICATED} ")


def _ask(url: str) -> str | None:
    try:
        with STRAIGHT.open(url, timeout=5):
            return None
    except urllib.error.HTTPError as refusal:
        with refusal:
            return f"{refusal.code} {refusal.read(2_000).decode(errors='replace')}"
    except OSError as failure:
        return str(failure)

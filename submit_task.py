"""Create many tasks, their times spread evenly around now. Standard library only, Python 3.9 or newer.

    python submit_task.py [URL] [--count 10000] [--minutes 30] [--type foo ...]

Without --type each task is a foo, a bar or a baz by chance. `--minutes 1` spreads them from a minute ago to a minute
ahead. Where a folder `var` exists, the ids go to var/submitted.jsonl, and `.venv/bin/python -m app verify` checks them.
If the service asks for an API key, put it into the environment variable PUNCTUAL_API_KEY.

Exit codes: 0 all were created, 1 some were not, 2 wrong usage, 3 the service does not answer.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

USUAL_TYPES = ["foo", "bar", "baz"]
RECORD = Path("var") / "submitted.jsonl"
TIMEOUT_S = 15.0
CREATED, UNAVAILABLE = 201, 503
SHOW_EVERY_S = 0.5


class Outcome(NamedTuple):
    """A request, and the id of its task or the reason why there is none."""

    body: dict[str, str]
    task_id: str | None
    why: str = ""


def connect(url: SplitResult) -> http.client.HTTPConnection:
    """Return a keep-alive connection that is opened by its first request."""
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    return kind(url.hostname or "", url.port, timeout=TIMEOUT_S)


class Creator(threading.local):
    """Creates tasks over a keep-alive connection of each thread."""

    def __init__(self, url: SplitResult, key: str) -> None:
        self.connection = connect(url)
        self.path = url.path.rstrip("/") + "/tasks"
        self.headers = {"Content-Type": "application/json"}
        if key:
            self.headers["Authorization"] = f"Bearer {key}"

    def create(self, body: dict[str, str]) -> Outcome:
        """Create one task. Never retried: a second request could create a second task."""
        try:
            self.connection.request("POST", self.path, json.dumps(body), self.headers)
            answer = self.connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()  # the next request opens it again
            return Outcome(body, None, f"no answer: {error or type(error).__name__}")
        if answer.status != CREATED:
            return Outcome(body, None, f"HTTP {answer.status}: {said[:300].decode(errors='replace')}")
        return Outcome(body, json.loads(said)["id"])


def bodies(now: datetime, count: int, minutes: float, types: list[str]) -> Iterator[dict[str, str]]:
    """Yield bodies of requests: a type by chance, a time from `minutes` ago to `minutes` ahead."""
    for _ in range(count):
        at = now + timedelta(minutes=random.uniform(-minutes, minutes))  # noqa: S311 - not a secret
        yield {"type": random.choice(types), "execute_at": at.isoformat()}  # noqa: S311


def create_all(creator: Creator, options: argparse.Namespace) -> Iterator[Outcome]:
    """Create all tasks in threads; show progress on stderr."""
    shown_at, failed = time.monotonic(), 0
    all_bodies = bodies(datetime.now(timezone.utc), options.count, options.minutes, options.type)  # noqa: UP017 - UTC is 3.11's
    with ThreadPoolExecutor(options.concurrency) as threads:
        for done, outcome in enumerate(threads.map(creator.create, all_bodies), 1):
            failed += outcome.task_id is None
            if done == options.count or time.monotonic() - shown_at > SHOW_EVERY_S:
                shown_at = time.monotonic()
                show_progress(done, failed, options.count)
            yield outcome


def show_progress(done: int, failed: int, count: int) -> None:
    """Print one line, rewritten in place on a terminal; elsewhere only at the end."""
    if sys.stderr.isatty() or done == count:
        begin, end = ("\r", "\n" if done == count else "") if sys.stderr.isatty() else ("", "\n")
        print(f"{begin}{done} of {count}, {failed} failed", end=end, file=sys.stderr, flush=True)


def record(created: list[Outcome]) -> None:
    """Write the record that `verify` reads."""
    if RECORD.parent.is_dir():
        lines = [json.dumps({"id": task_id, **body}) + "\n" for body, task_id, _ in created]
        RECORD.write_text("".join(lines), encoding="utf-8")
        print(f"Recorded in {RECORD}; `.venv/bin/python -m app verify` checks them.")


def unavailable_because(url: SplitResult) -> str | None:
    """Return why the service cannot answer now; None if it can."""
    connection = connect(url)
    try:
        connection.request("GET", url.path.rstrip("/") + "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return f"HTTP {status}" if status >= UNAVAILABLE else None


def is_address(url: SplitResult) -> bool:
    """Return whether the URL can be the address of a service."""
    try:
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is not a number
        return False


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    lines = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(description=lines[0], epilog=lines[-1])
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=10_000, help="number of tasks (default: %(default)s)")
    parser.add_argument(
        "--minutes",
        type=float,
        default=30.0,
        help="spread evenly over this long before and after now (default: %(default)s)",
    )
    parser.add_argument(
        "--type", action="append", help="type (repeatable); each task gets one at random (default: foo, bar, baz)"
    )
    parser.add_argument("--concurrency", type=int, default=16, help="connections (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.type = options.type or USUAL_TYPES
    options.address = urlsplit(options.url)
    options.key = os.environ.get("PUNCTUAL_API_KEY", "").strip()
    if not is_address(options.address):
        parser.error(f"{options.url!r} is not the address of a service, like http://127.0.0.1:8000")
    if not re.fullmatch("[!-~]*", options.key):
        parser.error("PUNCTUAL_API_KEY does not hold an API key")
    if options.count < 1 or options.concurrency < 1 or options.minutes < 0:
        parser.error("--count and --concurrency are at least 1, --minutes is not negative")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Create the tasks; return the exit code."""
    options: Any = read_arguments(arguments)
    trouble = unavailable_because(options.address)
    if trouble:
        print(f"{options.url} does not answer ({trouble}). Is it running? `make run` starts it.", file=sys.stderr)
        return 3
    began = time.monotonic()
    outcomes = list(create_all(Creator(options.address, options.key), options))
    seconds = time.monotonic() - began
    created = [each for each in outcomes if each.task_id]
    failed = len(outcomes) - len(created)
    rate = len(created) / seconds
    print(f"{len(created)} tasks in {seconds:.1f} s, {rate:.0f} tasks/s, {failed} failed")
    record(created)
    if failed:
        print(f"The first failure: {next(each.why for each in outcomes if each.task_id is None)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

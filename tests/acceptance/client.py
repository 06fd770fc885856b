"""An HTTP client of the service that relies on its documented answers only."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.acceptance.conditions import wait_until
from tests.patience import patience
from tools.load import Request, post, send

Json = dict[str, Any]
CONNECTIONS = 8
TIMEOUT_S = 60.0
FINAL = {"succeeded", "failed", "cancelled", "deleted"}


class Client:
    """Sends requests to the web processes in turn. Thread-safe."""

    def __init__(self, urls: Callable[[], Sequence[str]], *, timeout_s: float = TIMEOUT_S) -> None:
        self._urls = urls
        self._timeout_s = timeout_s
        self._turns = itertools.count()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(pool_connections=100, pool_maxsize=64))
        self._lock = threading.Lock()

    def close(self) -> None:
        self._session.close()

    def is_ready(self, url: str) -> bool:
        """Return whether this web process reports that it is ready."""
        try:
            return self._session.get(f"{url}/ready", timeout=self._timeout_s).status_code == 200
        except requests.ConnectionError:
            return False

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request to the next web process."""
        urls = self._urls()
        if not urls:
            raise requests.ConnectionError("no web process is running")
        with self._lock:
            turn = next(self._turns)
        return self._session.request(method, urls[turn % len(urls)] + path, timeout=self._timeout_s, **options)

    def create(self, task_type: str, payload: Mapping[str, Any] | None = None, **fields: Any) -> Json:
        """Create a task, due now unless `delay_s` or `execute_at` (a datetime or a text) is given."""
        return self._post(new_task(task_type, payload, **fields))

    def create_many(self, bodies: Sequence[Json]) -> list[Json]:
        """Create a task for each body (see `new_task`) over several connections; return the tasks in this order."""
        creations = (Request(_create(body), number) for number, body in enumerate(bodies))
        answers = list(send(self._urls, creations, connections=CONNECTIONS, timeout_s=self._timeout_s))
        assert [each for each in answers if each.status != 201] == []
        return [json.loads(each.body) for each in sorted(answers, key=lambda each: each.tag)]

    def create_batch(self, bodies: Sequence[Json]) -> list[str]:
        """Create a task for each body by one request; return the ids in this order."""
        answer = self.request("POST", "/tasks/batch", json={"tasks": list(bodies)})
        assert answer.status_code == 201, answer.text
        return list(answer.json()["ids"])

    def get(self, task_id: str, *, wait_s: float | None = None) -> Json:
        """Return the task now; with `wait_s`, once it is final or after this time, longer on a busy machine."""
        began = time.monotonic()
        while True:
            answer = self.request("GET", f"/tasks/{task_id}", params={} if wait_s is None else {"wait_s": wait_s})
            assert answer.status_code == 200, answer.text
            found = task(answer)
            if wait_s is None or found["state"] in FINAL or time.monotonic() - began > patience(wait_s):
                return found

    def delete(self, task_id: str) -> int:
        """Request a deletion and return the status of the answer."""
        return self.request("DELETE", f"/tasks/{task_id}").status_code

    def list_all(self, **filters: str) -> list[Json]:
        """Return all tasks that match the filters."""
        tasks: list[Json] = []
        query = {"limit": "1000", **filters}
        while True:
            answer = self.request("GET", "/tasks", params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            tasks += page["tasks"]
            if page["next_cursor"] is None:
                return tasks
            query["cursor"] = page["next_cursor"]

    def wait_final(self, ids: Iterable[str], timeout: float, **filters: str) -> dict[str, Json]:
        """Wait until all these tasks are final; return them by id. `filters` narrow the requested lists."""
        wanted = set(ids)

        def pending() -> list[Json]:
            unfinished = self.list_all(state="scheduled,running", **filters)
            return [each for each in unfinished if each["id"] in wanted]

        wait_until(lambda: not pending(), timeout, f"all of {len(wanted)} tasks are final")
        listed = self.list_all(**filters) + self.list_all(state="deleted", **filters)
        tasks = {each["id"]: each for each in listed if each["id"] in wanted}
        assert tasks.keys() == wanted, f"{len(wanted - tasks.keys())} tasks are lost"
        unfinished = [each for each in tasks.values() if each["state"] not in FINAL]
        assert not unfinished, unfinished
        return tasks

    def _post(self, body: Json) -> Json:
        answer = self.request("POST", "/tasks", json=body)
        assert answer.status_code == 201, answer.text
        return task(answer)


def _create(body: Json) -> bytes:
    return post("http://service", "/tasks", json.dumps(body).encode())


def new_task(task_type: str, payload: Mapping[str, Any] | None = None, **fields: Any) -> Json:
    """Return the body of a creation request."""
    if "execute_at" in fields:
        fields["execute_at"] = rfc3339(fields["execute_at"])
    elif "delay_s" not in fields:
        fields["delay_s"] = 0
    return {"type": task_type, **fields} | ({} if payload is None else {"payload": dict(payload)})


def task(answer: requests.Response) -> Json:
    """Return the task in an answer."""
    body: Json = answer.json()
    return body


def rfc3339(instant: datetime | float | str) -> str:
    """Format an instant (an aware datetime, or seconds since 1970) for the API."""
    if isinstance(instant, float | int):
        instant = datetime.fromtimestamp(instant, UTC)
    return instant if isinstance(instant, str) else instant.isoformat()


def seconds(instant: str) -> float:
    """Convert an instant of the API into seconds since 1970."""
    return datetime.fromisoformat(instant).timestamp()

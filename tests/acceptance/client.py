"""Speaks to the service as its users do: over HTTP, with nothing but its documented answers."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from tests.acceptance.conditions import wait_until
from tools.load import Request, post, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Json = dict[str, Any]
CONNECTIONS = 8
TIMEOUT_S = 15.0
FINAL = {"succeeded", "failed", "cancelled", "deleted"}


class Client:
    """Several web processes take turns. Safe to use from several threads."""

    def __init__(self, urls: Callable[[], Sequence[str]], *, timeout_s: float = TIMEOUT_S) -> None:
        self._urls = urls
        self._timeout_s = timeout_s
        self._turns = itertools.count()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(pool_connections=100, pool_maxsize=64))
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def is_ready(self, url: str) -> bool:
        """Whether this web process says that it can serve."""
        try:
            return self._session.get(f"{url}/ready", timeout=self._timeout_s).status_code == 200
        except requests.ConnectionError:
            return False

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any call."""
        urls = self._urls()
        if not urls:
            raise requests.ConnectionError("no web process lives")
        with self._lock:
            turn = next(self._turns)
        return self._session.request(method, urls[turn % len(urls)] + path, timeout=self._timeout_s, **options)

    def create(self, task_type: str, payload: Mapping[str, Any] | None = None, **fields: Any) -> Json:
        """The task, created; due now unless `delay_s` or `execute_at` (a datetime or text) says otherwise."""
        return self._post(new_task(task_type, payload, **fields))

    def create_many(self, wanted: Sequence[Json]) -> list[Json]:
        """Tasks by the bodies of their requests (see `new_task`), in this order, over several connections at once."""
        asked = (Request(_create(body), number) for number, body in enumerate(wanted))
        answers = list(send(self._urls, asked, connections=CONNECTIONS, timeout_s=self._timeout_s))
        assert [each for each in answers if each.status != 201] == []
        return [json.loads(each.body) for each in sorted(answers, key=lambda each: each.tag)]

    def create_batch(self, wanted: Sequence[Json]) -> list[str]:
        """Tasks by the same bodies, by one request; their ids in this order."""
        answer = self.request("POST", "/tasks/batch", json={"tasks": list(wanted)})
        assert answer.status_code == 201, answer.text
        return list(answer.json()["ids"])

    def get(self, task_id: str, *, wait_s: float | None = None) -> Json:
        """The task as it is now, or once it is final."""
        answer = self.request("GET", f"/tasks/{task_id}", params={} if wait_s is None else {"wait_s": wait_s})
        assert answer.status_code == 200, answer.text
        return task(answer)

    def delete(self, task_id: str) -> int:
        """The status that a deletion is answered with."""
        return self.request("DELETE", f"/tasks/{task_id}").status_code

    def list_all(self, **filters: str) -> list[Json]:
        """All tasks that match, page after page."""
        found: list[Json] = []
        query = {"limit": "1000", **filters}
        while True:
            answer = self.request("GET", "/tasks", params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["tasks"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    def wait_final(self, ids: Iterable[str], timeout: float, **filters: str) -> dict[str, Json]:
        """All of these by id, once the last one is final. `filters` narrow the lists that are asked for."""
        wanted = set(ids)

        def pending() -> list[Json]:
            waiting = self.list_all(state="scheduled,running", **filters)
            return [each for each in waiting if each["id"] in wanted]

        wait_until(lambda: not pending(), timeout, f"all of {len(wanted)} tasks are final")
        every = self.list_all(**filters) + self.list_all(state="deleted", **filters)
        found = {each["id"]: each for each in every if each["id"] in wanted}
        assert found.keys() == wanted, f"{len(wanted - found.keys())} tasks are lost"
        unfinished = [each for each in found.values() if each["state"] not in FINAL]
        assert not unfinished, unfinished
        return found

    def _post(self, body: Json) -> Json:
        answer = self.request("POST", "/tasks", json=body)
        assert answer.status_code == 201, answer.text
        return task(answer)


def _create(body: Json) -> bytes:
    return post("http://service", "/tasks", json.dumps(body).encode())


def new_task(task_type: str, payload: Mapping[str, Any] | None = None, **fields: Any) -> Json:
    """The body of a request for a task."""
    if "execute_at" in fields:
        fields["execute_at"] = rfc3339(fields["execute_at"])
    elif "delay_s" not in fields:
        fields["delay_s"] = 0
    return {"type": task_type, **fields} | ({} if payload is None else {"payload": dict(payload)})


def task(answer: requests.Response) -> Json:
    """The task that an answer holds."""
    found: Json = answer.json()
    return found


def rfc3339(instant: datetime | float | str) -> str:
    """An instant (aware, or seconds since 1970) as the API takes it."""
    if isinstance(instant, float | int):
        instant = datetime.fromtimestamp(instant, UTC)
    return instant if isinstance(instant, str) else instant.isoformat()


def seconds(instant: str) -> float:
    """An instant of the API as seconds since 1970."""
    return datetime.fromisoformat(instant).timestamp()

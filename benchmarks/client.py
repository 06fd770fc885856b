"""What the benchmarks ask the service, over HTTP, from threads with connections of their own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

TIMEOUT_S = 30.0
PAGE = 1000


class Client:
    """A service, and one session per thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._mine = threading.local()

    def create(self, task_type: str, **when: Any) -> dict[str, Any]:
        """Create one task; `execute_at` or `delay_s` says when."""
        answer = self._session().post(f"{self.url}/tasks", json={"type": task_type, **when}, timeout=TIMEOUT_S)
        answer.raise_for_status()
        task: dict[str, Any] = answer.json()
        return task

    def create_many(self, count: int, task_type: str, *, at: datetime, connections: int) -> None:
        """Create `count` tasks for the same instant."""
        with ThreadPoolExecutor(connections) as pool:
            for _ in pool.map(lambda _: self.create(task_type, execute_at=at.isoformat()), range(count)):
                pass

    def show(self, task_id: str, *, wait_s: int = 0) -> dict[str, Any]:
        """The task, once it is final or the wait is over."""
        task: dict[str, Any] = self._get(f"/tasks/{task_id}", {"wait_s": wait_s})
        return task

    def open_at(self, at: datetime) -> bool:
        """Whether a task of this instant is not final yet."""
        found = self._get("/tasks", {**_instant(at), "state": "scheduled,running", "limit": 1})
        return bool(found["count"])

    def tasks_at(self, at: datetime) -> list[dict[str, Any]]:
        """All tasks of this instant."""
        tasks: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self._get("/tasks", {**_instant(at), "limit": PAGE, **({"cursor": cursor} if cursor else {})})
            tasks += page["tasks"]
            cursor = page["next_cursor"]
        return tasks

    def _get(self, path: str, parameters: dict[str, Any]) -> Any:
        answer = self._session().get(f"{self.url}{path}", params=parameters, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()

    def _session(self) -> requests.Session:
        if not hasattr(self._mine, "session"):
            self._mine.session = requests.Session()
        session: requests.Session = self._mine.session
        return session


def in_seconds(seconds: float) -> datetime:
    """An instant from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _instant(at: datetime) -> dict[str, str]:
    return {"since": at.isoformat(), "until": (at + timedelta(microseconds=1)).isoformat()}

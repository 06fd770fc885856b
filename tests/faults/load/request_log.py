"""Requests that may fail in any way, and a log of their answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests

from tests.faults.history import Answer

if TYPE_CHECKING:
    from tests.acceptance.client import Client, Json


class RequestLog:
    """All requests and their answers. Thread-safe, because appending to a list is atomic."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.answers: list[Answer] = []

    def send(
        self, act: str, path: str, *, method: str = "POST", body: Json | None = None, **known: Any
    ) -> requests.Response | None:
        """Send and record a request; return the answer, or None without one."""
        sent_at = time.time()
        answer: requests.Response | None = None
        try:
            answer = self._client.request(method, path, json=body)
        except requests.RequestException:
            answer = None
        self.record(act, sent_at, answer.status_code if answer is not None else None, **known)
        return answer

    def record(self, act: str, sent_at: float, status: int | None, **known: Any) -> None:
        """Record a request that was answered, or failed, just now."""
        self.answers.append(Answer(act, sent_at, time.time(), status, **known))

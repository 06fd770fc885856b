"""Requests that may fail in any way, and a book of what became of each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests

from tests.faults.history import Answer

if TYPE_CHECKING:
    from tests.acceptance.client import Client, Json


class Book:
    """Every request and its answer; lists are safe to append to from several threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.answers: list[Answer] = []

    def ask(
        self, act: str, path: str, *, method: str = "POST", body: Json | None = None, **known: Any
    ) -> requests.Response | None:
        """The answer, if there was one."""
        sent_at = time.time()
        answer: requests.Response | None = None
        try:
            answer = self._client.request(method, path, json=body)
        except requests.RequestException:
            answer = None
        self.write(act, sent_at, answer.status_code if answer is not None else None, **known)
        return answer

    def write(self, act: str, sent_at: float, status: int | None, **known: Any) -> None:
        """Add a request that was answered, or given up, just now."""
        self.answers.append(Answer(act, sent_at, time.time(), status, **known))

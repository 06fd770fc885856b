"""Create tasks at a steady rate, and catch up after an outage."""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tools.load import Answer, Request, post, send

if TYPE_CHECKING:
    from tests.faults.load.deleters import Deleters
    from tests.faults.load.request_log import RequestLog
    from tests.faults.load.work import Work

CONNECTIONS = 12
RETRY_AFTER_S = 0.1


class Creators:
    """Sends requests until a number of tasks is created; each request is recorded."""

    def __init__(
        self,
        urls: Callable[[], Sequence[str]],
        log: RequestLog,
        work: Work,
        deleters: Deleters,
        recent: deque[tuple[str, str]],
        *,
        timeout_s: float,
    ) -> None:
        self.kept = 0
        self._urls = urls
        self._log = log
        self._work = work
        self._deleters = deleters
        self._recent = recent
        self._timeout_s = timeout_s
        self._serials = itertools.count()
        self._open = 0  # requests without an answer, or refused within RETRY_AFTER_S
        self._refused_at: deque[float] = deque()

    def create(self, wanted: int, *, over_s: float, catch_up_s: float) -> None:
        """Create `wanted` more tasks, evenly over `over_s`; after failures, this takes up to `catch_up_s` longer."""
        requests = self._requests(wanted, over_s, catch_up_s)
        for answer in send(self._urls, requests, connections=CONNECTIONS, timeout_s=self._timeout_s):
            self._take(answer)

    def _requests(self, wanted: int, over_s: float, catch_up_s: float) -> Iterator[Request | None]:
        began, target, before = time.monotonic(), self.kept + wanted, self.kept
        while self.kept < target and (spent := time.monotonic() - began) < over_s + catch_up_s:
            while self._refused_at and time.monotonic() - self._refused_at[0] > RETRY_AFTER_S:
                self._refused_at.popleft()
                self._open -= 1
            due = min(target, before + int(wanted * spent / over_s) + 1)
            if self.kept + self._open < due:
                self._open += 1
                yield self._draw()
            else:
                yield None

    def _draw(self) -> Request:
        now = time.time()
        wanted = self._work.draw(next(self._serials), now)
        return Request(post("http://service", "/tasks", json.dumps(wanted.body).encode()), (now, wanted))

    def _take(self, answer: Answer) -> None:
        sent_at, wanted = answer.tag
        if answer.status != 201:
            self._log.record("create", sent_at, answer.status)
            self._refused_at.append(time.monotonic())
            return
        task_id = json.loads(answer.body)["id"]
        self._log.record("create", sent_at, 201, task_id=task_id)
        self._open -= 1
        self.kept += 1
        self._recent.append((wanted.body["type"], task_id))
        if wanted.delete_at is not None:
            self._deleters.delete(task_id, at=wanted.delete_at)

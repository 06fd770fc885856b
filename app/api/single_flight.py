"""Single flight: concurrent requests share one call. Cached answers, and checks of a server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, TimeoutError as WaitTimeout
from typing import Any, Generic, TypeVar

from cachetools import TTLCache, cached

Answer = TypeVar("Answer")

KEEP_S = 2.0
NO_ANSWER = "does not answer in time"


def cached_briefly(load: Callable[[], Answer], *, timer: Callable[[], float] = time.monotonic) -> Callable[[], Answer]:
    """Return a function that answers what `load` does, at most KEEP_S old.

    Calls that come while `load` runs wait for its answer. An error is raised, and not kept.
    """
    cache: TTLCache[Any, Answer] = TTLCache(maxsize=1, ttl=KEEP_S, timer=timer)
    return cached(cache, condition=threading.Condition())(load)


class Check(Generic[Answer]):
    """A question to a server that may never answer, asked in a thread.

    It is asked at most once at a time, so a frozen server costs one thread, not one per request.
    """

    def __init__(self, name: str, question: Callable[[], Answer]) -> None:
        self.name = name
        self._question = question
        self._asking = threading.Lock()
        self._answer: Future[Answer] | None = None

    def begin(self) -> Future[Answer]:
        """Ask, unless the last question is still open."""
        with self._asking:
            if self._answer is None or self._answer.done():
                self._answer = Future()
                threading.Thread(target=self._ask, args=(self._answer,), name=f"check-{self.name}", daemon=True).start()
            return self._answer

    def within(self, limit_s: float) -> Answer | None:
        """Return the answer; None if it does not come in time or the question failed."""
        try:
            return self.begin().result(timeout=limit_s)
        except Exception:  # noqa: BLE001 - any failure means that there is no answer
            return None

    def _ask(self, answer: Future[Answer]) -> None:
        try:
            answer.set_result(self._question())
        except Exception as trouble:  # noqa: BLE001 - raised where the answer is awaited
            answer.set_exception(trouble)


def ask_all(checks: Iterable[Check[str]], *, limit_s: float) -> dict[str, str]:
    """Ask all checks at once; return what each answers."""
    answers = [(check.name, check.begin()) for check in checks]
    return {name: _wait(answer, limit_s) for name, answer in answers}


def _wait(answer: Future[str], limit_s: float) -> str:
    try:
        return answer.result(timeout=limit_s)
    except WaitTimeout:
        return NO_ANSWER
    except Exception as trouble:  # noqa: BLE001 - only its name: its message may hold addresses
        return type(trouble).__name__

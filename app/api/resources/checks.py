"""Questions to a server that may never answer: asked in a thread, waited for only so long."""

from __future__ import annotations

import threading
from concurrent.futures import Future, TimeoutError as WaitTimeout
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

SILENT = "does not answer in time"


Answer = TypeVar("Answer")


class Check(Generic[Answer]):
    """One question, asked at most once at a time: a frozen server costs one thread, not one per request."""

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
        """The answer; None if there is none in time, or the question failed."""
        try:
            return self.begin().result(timeout=limit_s)
        except Exception:  # noqa: BLE001 - whatever the trouble: there is no answer
            return None

    def _ask(self, answer: Future[Answer]) -> None:
        try:
            answer.set_result(self._question())
        except Exception as trouble:  # noqa: BLE001 - for whoever waits
            answer.set_exception(trouble)


def ask_all(checks: list[Check[str]], *, limit_s: float) -> dict[str, str]:
    """What each says; all are asked at once."""
    answers = [(check.name, check.begin()) for check in checks]
    return {name: _wait(answer, limit_s) for name, answer in answers}


def _wait(answer: Future[str], limit_s: float) -> str:
    try:
        return answer.result(timeout=limit_s)
    except WaitTimeout:
        return SILENT
    except Exception as trouble:  # noqa: BLE001 - its name is the answer; what it says may hold addresses
        return type(trouble).__name__

"""An answer that costs something, kept for a moment: many who ask at once cause one question."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

KEEP_S = 2.0


class Cached(Generic[Answer]):
    """What `ask` answered, not older than KEEP_S. Those who come while it is asked wait for that answer."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: tuple[float, Answer] | None = None

    def get(self) -> Answer:
        """The answer. Raises what `ask` raises, and keeps nothing then."""
        with self._lock:
            if self._answer is None or time.monotonic() - self._answer[0] >= KEEP_S:
                self._answer = time.monotonic(), self._ask()
            return self._answer[1]

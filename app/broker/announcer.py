"""Tells Redis from a thread of its own, so that no request ever waits for it."""

from __future__ import annotations

import atexit
import threading
from collections import defaultdict
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from app.broker.due_set import DueSet, ScheduleAway

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.task import Due

log = structlog.get_logger()

MOST_KEPT = 100_000
AGAIN_AFTER_S = 0.25
LAST_WORDS_S = 0.5


class Announcer:
    """Takes what a `DueSet` takes. What Redis did not hear is kept and said again; a crash leaves it to the sweeper.

    The thread starts with the first announcement, so after any fork.
    """

    def __init__(self, schedule: DueSet) -> None:
        self._schedule = schedule
        self._inbox: SimpleQueue[Sequence[Due] | tuple[str, Sequence[str]] | threading.Event | None] = SimpleQueue()
        self._unsaid: dict[str, Due] = {}
        self._unforgotten: defaultdict[str, set[str]] = defaultdict(set)
        self._listeners: list[threading.Event] = []
        self._away = False
        self._starting = threading.Lock()
        self._speaker: threading.Thread | None = None

    def add(self, entries: Iterable[Due]) -> None:
        """As `DueSet.add`, soon."""
        self._tell(list(entries))

    def remove(self, task_type: str, ids: Sequence[str]) -> None:
        """As `DueSet.remove`, soon."""
        self._tell((task_type, ids))

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing that was told before is left to say, or the time is over; whether that is so."""
        if self._speaker is None:
            return True
        said = threading.Event()
        self._inbox.put(said)
        return said.wait(timeout_s)

    def close(self) -> None:
        """Say what is left, if Redis listens."""
        if self._speaker is not None:
            self._inbox.put(None)
            self._speaker.join(LAST_WORDS_S)

    def _tell(self, news: Sequence[Due] | tuple[str, Sequence[str]]) -> None:
        if self._speaker is None:
            with self._starting:
                if self._speaker is None:
                    self._speaker = threading.Thread(target=self._speak_forever, name="announcer", daemon=True)
                    self._speaker.start()
                    atexit.register(self.close)
        self._inbox.put(news)

    def _speak_forever(self) -> None:
        closing = False
        while not closing:
            closing = self._gather()
            self._say()

    def _gather(self) -> bool:
        """Wait for news and take all there is, or let a moment pass while Redis is away; whether it is to end."""
        until = monotonic() + AGAIN_AFTER_S
        try:
            news = self._inbox.get(timeout=AGAIN_AFTER_S if self._away else None)
            while news is not None:
                self._keep(news)
                news = (
                    self._inbox.get(timeout=max(0.0, until - monotonic())) if self._away else self._inbox.get_nowait()
                )
        except Empty:
            return False
        return True

    def _keep(self, news: Sequence[Due] | tuple[str, Sequence[str]] | threading.Event) -> None:
        if isinstance(news, threading.Event):
            self._listeners.append(news)
        elif isinstance(news, tuple):
            task_type, ids = news
            self._unforgotten[task_type].update(ids)
            for each in ids:
                self._unsaid.pop(each, None)
        else:
            self._unsaid |= {each.id: each for each in news}
        kept = len(self._unsaid) + sum(map(len, self._unforgotten.values()))
        if kept > MOST_KEPT:
            log.warning("announcements_dropped", count=kept)
            self._unsaid.clear()
            self._unforgotten.clear()

    def _say(self) -> None:
        try:
            self._schedule.add(self._unsaid.values())
            for task_type, ids in self._unforgotten.items():
                self._schedule.remove(task_type, list(ids))
        except ScheduleAway as trouble:
            if not self._away:
                log.warning("schedule_away", doing="announce", tasks=len(self._unsaid), trouble=type(trouble).__name__)
            self._away = True
            return
        if self._away:
            log.info("schedule_back", tasks=len(self._unsaid))
        self._away = False
        self._unsaid, self._unforgotten = {}, defaultdict(set)
        while self._listeners:
            self._listeners.pop().set()

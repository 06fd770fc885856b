"""The process that creates a peer's tasks, controlled through its input and output."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Self, cast

from benchmarks.peers.peer import INSIDE
from benchmarks.peers.scene import PeerError, Scene, kill_session

ANSWER_S = 120.0
END_S = 10.0


@dataclass(frozen=True)
class Created:
    """How many tasks were created in how many seconds."""

    tasks: int
    seconds: float

    @property
    def per_s(self) -> float:
        """Tasks per second."""
        return self.tasks / self.seconds


class Creator:
    """The process, connected to the store; leaving the context ends it."""

    def __init__(self, scene: Scene) -> None:
        command = ("python", str(INSIDE / "client.py")) if scene.peer.is_python else ("node", "client.mjs")
        self._process = scene.start(command, piped=True)
        try:
            self.has_bulk = bool(self._answer()["bulk"])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_up(self) -> None:
        """Make the peer's tables in an empty store."""
        self._order("set_up")

    def each(self, first: int, at_ms: Sequence[int]) -> Created:
        """Create tasks by one call each, numbered from `first`."""
        return self._create("each", first=first, at_ms=list(at_ms))

    def during(self, first: int, at_ms: int, seconds: float) -> Created:
        """Create tasks by one call each during this number of seconds."""
        return self._create("during", first=first, at_ms=at_ms, seconds=seconds)

    def bulk(self, first: int, at_ms: int, count: int) -> Created:
        """Create tasks by one call per thousand."""
        return self._create("bulk", first=first, at_ms=at_ms, count=count)

    def all_at(self, first: int, at_ms: int, count: int) -> Created:
        """Create tasks in the fastest way of the peer."""
        return self.bulk(first, at_ms, count) if self.has_bulk else self.each(first, [at_ms] * count)

    def close(self) -> None:
        """Let it end; kill it if it does not end in time."""
        try:
            cast("IO[str]", self._process.stdin).close()
            self._process.wait(END_S)
        except (OSError, subprocess.TimeoutExpired):
            kill_session(self._process)
            self._process.wait()
        finally:
            cast("IO[str]", self._process.stdout).close()

    def _create(self, do: str, **details: Any) -> Created:
        answer = self._order(do, **details)
        return Created(answer["created"], answer["seconds"])

    def _order(self, do: str, **details: Any) -> dict[str, Any]:
        orders = cast("IO[str]", self._process.stdin)
        orders.write(json.dumps({"do": do, **details}) + "\n")
        orders.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        late = threading.Timer(ANSWER_S, kill_session, [self._process])
        late.start()
        try:
            line = cast("IO[str]", self._process.stdout).readline()
        finally:
            late.cancel()
        if not line:
            raise PeerError("the process that creates its tasks failed or hung")
        answer: dict[str, Any] = json.loads(line)
        return answer

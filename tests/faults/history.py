"""The events of a run, as recorded by clients, handlers and a trigger in Postgres. Times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.acceptance.witness import Sight

Cost = Literal["nothing", "kill", "outage"]


@dataclass(frozen=True, slots=True)
class Row:
    """A task in Postgres at the end; `serial` is the number of the request that created it."""

    id: str
    type: str
    state: str
    execute_at: float
    attempt: int
    max_attempts: int
    serial: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a task's row; `old` is None for its insertion, `new` for its removal.

    `due` is when its next attempt could begin, by the row before the change and the clock that Postgres had then.
    """

    at: float
    task_id: str
    old: str | None
    new: str | None
    old_attempt: int = 0
    attempt: int = 0
    due: float = 0.0
    worker: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A request and the status of its answer; `status` is None without an answer."""

    act: str
    sent_at: float
    answered_at: float
    status: int | None
    task_id: str | None = None
    attempt: int = 0
    until: float = 0.0
    """The end of the lease as far as the client knows; not a number if it does not know."""


@dataclass(slots=True)
class Struck:
    """A fault that was injected; `pids` are the affected processes, empty for a server or for all processes."""

    kind: str
    group: str
    began_at: float
    ended_at: float
    cost: Cost = "nothing"
    pids: tuple[int, ...] = ()


@dataclass(slots=True)
class History:
    """All that a checker knows of a run."""

    tasks: dict[str, Row] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    faults: list[Struck] = field(default_factory=list)
    unexpected_ends: list[str] = field(default_factory=list)
    """Processes that ended without a fault, and those that did not stop in order at the end."""
    healed_at: float = 0.0
    """The end of the last fault."""
    final_at: float | None = None
    """When every task created until then was final; None if that did not happen in time."""
    claims_lost: int = 0
    """The number of ids claimed in vain before the first fault, or at the end if there was none."""
    calm: tuple[tuple[float, float], ...] = ()
    """Intervals without faults, and without faults shortly before."""
    worker_dead_after_s: float = 15.0

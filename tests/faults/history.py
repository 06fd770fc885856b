"""What happened in a run, as those outside the system and Postgres' own trail tell it. Times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.acceptance.witness import Sight

Cost = Literal["nothing", "kill", "silence"]


@dataclass(frozen=True, slots=True)
class Row:
    """A task as Postgres has it at the end; `serial` is the number of the request that made it."""

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

    `due` is when its next attempt could begin, by the row before the change.
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
    """What a client asked, and was told; `status` is None when there was no answer."""

    act: str
    sent_at: float
    answered_at: float
    status: int | None
    task_id: str | None = None
    attempt: int = 0
    until: float = 0.0
    """Of a lease: when the client knew it to be over; not a number when it did not know."""


@dataclass(slots=True)
class Struck:
    """A fault that happened; `pids` are the processes it hit, none when it hit a server or all."""

    kind: str
    group: str
    began_at: float
    ended_at: float
    cost: Cost = "nothing"
    pids: tuple[int, ...] = ()


@dataclass(slots=True)
class History:
    """Everything a checker may know."""

    tasks: dict[str, Row] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    faults: list[Struck] = field(default_factory=list)
    ended_uncalled: list[str] = field(default_factory=list)
    """Processes that ended though nobody struck them, and those that did not stop in order at the end."""
    healed_at: float = 0.0
    """When the last fault was over."""
    final_at: float | None = None
    """When every task created until then was final; None: never within patience."""
    claims_lost: int = 0
    """How many ids workers had asked for in vain before the first fault, or at the end if there was none."""
    calm: tuple[tuple[float, float], ...] = ()
    """Stretches in which nothing was broken, nor had been shortly before."""
    worker_dead_after_s: float = 15.0

"""The statements that are explained: those of a task's life, lists, statistics, repairs and retention."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import event
from uuid_utils import uuid7

from app.ledger import statistics
from app.ledger.listing import Filter, list_tasks
from app.ledger.statements import array, statement
from app.task import TaskState

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

TOGETHER, PAGE, TYPE = 500, 101, "bench"
EARLIEST = "00000000-0000-0000-0000-000000000000"
SOME_IDS = (
    "SELECT array_agg(id) FROM (SELECT id::text FROM tasks WHERE state = 'scheduled' AND type = %s LIMIT %s) AS a"
)
FALL_DUE = "UPDATE tasks SET execute_at = now() - interval '1 s' WHERE id = ANY(%s::uuid[])"


@dataclass(frozen=True, slots=True)
class Question:
    """A statement with its values. `first` runs before it; all are rolled back afterwards."""

    name: str
    text: str
    values: Any
    first: tuple[tuple[str, Any], ...] = field(default=())


def questions(engine: Engine) -> Iterator[Question]:
    """Yield all statements, in the order of a task's life."""
    with engine.connect() as connection:
        yield from _on_the_way(connection)
    for name, values in _beside():
        yield Question(name, statement(name), values)
    for name, wanted in _lists().items():
        with _recorded_statements(engine) as recorded:
            list_tasks(engine, wanted, limit=PAGE - 1)
        yield Question(f"list: {name}", *recorded[-1])
    with _recorded_statements(engine) as recorded:
        statistics.punctuality(engine)
    yield next(Question("punctuality", *each) for each in recorded if "percentile_cont" in each[0])


def _on_the_way(connection: Connection) -> Iterator[Question]:
    """Yield creation, claim, outcome, hand-back: five hundred tasks at a time, due one second ago."""
    new = [{"id": str(uuid7()), "type": TYPE, "delay_s": 60, "payload": {}, "timeout_s": 5, "max_attempts": 1}]
    new += [new[0] | {"id": str(uuid7())} for _ in range(TOGETHER - 1)]
    ids = array(connection.exec_driver_sql(SOME_IDS, (TYPE, TOGETHER)).scalar_one())
    token, one = str(uuid4()), ids[2:38]
    who = {"token": token, "worker_id": "w", "types": [TYPE]}
    tokens, nothing = array([token] * TOGETHER), array([None] * TOGETHER)
    ended = {"ids": ids, "tokens": tokens, "states": array(["succeeded"] * TOGETHER)}
    ended |= dict.fromkeys(("results", "errors", "retries_in_s"), nothing)
    due = (FALL_DUE, (ids,))
    claimed = (due, (statement("claim"), who | {"ids": ids}))
    yield Question("insert", statement("insert"), {"tasks": json.dumps(new), "answered": None})
    yield Question("waiting", statement("waiting"), {"ids": ids})
    yield Question("claim", statement("claim"), who | {"ids": ids}, (due,))
    yield Question("finish", statement("finish"), ended, claimed)
    yield Question("release", statement("release"), {"ids": ids, "tokens": tokens}, claimed)
    yield Question("lease_due", statement("lease_due"), who | {"limit": 100}, (due,))
    yield Question("lease_one", statement("lease_one"), who | {"id": one}, (due,))
    yield Question("delete", statement("delete"), {"id": one})
    yield Question("get", statement("get"), {"id": one})


def _beside() -> Iterator[tuple[str, Mapping[str, Any]]]:
    now = datetime.now(UTC)
    yield "next", {"types": None}
    yield "types_due", {"until": now}
    yield (
        "due_between",
        {"type": TYPE, "after": now - timedelta(days=1), "after_id": EARLIEST, "until": now, "limit": 5000},
    )
    yield "running", {"forgotten_after_s": 60}
    watched: dict[str, list[Any]] = {"silent_ids": ["w"], "silent_since": [now], "over_ids": [], "over_tokens": []}
    yield "lost", {**watched, "over_leases": [], "limit": TOGETHER}
    yield "overdue_count", {"most": statistics.COUNTED_UP_TO}
    yield "task_counts", {"types": [TYPE, "foo", "bar", "baz"], "most": statistics.COUNTED_UP_TO}
    yield "early_total", {"most": statistics.COUNTED_UP_TO}
    yield "types_in_state", {"state": "succeeded"}
    yield "key_pending", {"id": EARLIEST, "at_most": 1000}
    yield "purge_deleted", {"older_than_s": 28 * 86400, "limit": 1000}
    yield "purge_tasks", {"state": "succeeded", "type": TYPE, "older_than_s": 28 * 86400, "limit": 1000}


def _lists() -> dict[str, Filter]:
    past = datetime.now(UTC) - timedelta(days=14)
    prefix = f"{int(past.timestamp() * 1000):012x}"
    ids = {"id_from": UUID(prefix[:8].ljust(32, "0")), "id_to": UUID(prefix[:8].ljust(32, "f"))}
    return {
        "no filter": Filter(),
        "latest first": Filter(latest_first=True),
        "state=failed, of a type": Filter(states=(TaskState.FAILED,), types=("foo",)),
        "since a fortnight": Filter(since=past),
        "state=scheduled, latest first": Filter(states=(TaskState.SCHEDULED,), latest_first=True),
        "q=8 digits": Filter(**ids),  # type: ignore[arg-type]  # of the same type all
    }


@contextmanager
def _recorded_statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that SQLAlchemy sends in this context, with their values; those of `sql/` bypass it."""
    recorded: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, text: str, values: object, *_: object) -> None:
        recorded.append((text, values))

    listener: Callable[..., None] = note
    event.listen(engine, "before_cursor_execute", listener)
    try:
        yield recorded
    finally:
        event.remove(engine, "before_cursor_execute", listener)

"""A page of a list as it is answered: as many tasks as were asked for, or as fit into its size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from app.api.answers import encode
from app.ledger.listing import cursor_after, list_tasks

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.api.reading.listing import Wanted

MOST_BYTES = 8 * 1024 * 1024
FIRST_ROWS = 100


@dataclass(slots=True)
class Encoded:
    """Tasks in JSON, and where the next page begins (None on the last one)."""

    tasks: list[orjson.Fragment] = field(default_factory=list)
    next_cursor: str | None = None


def read_page(engine: Engine, wanted: Wanted, *, most_bytes: int = MOST_BYTES) -> Encoded:
    """At least one task, if there is one. Rows are fetched as far as their size, by those before, is likely to fit.

    Raises:
        InvalidInput, LedgerAway: as `list_tasks`.
    """
    page, size, rows = Encoded(next_cursor=wanted.cursor), 0, FIRST_ROWS
    while len(page.tasks) < wanted.limit:
        found = list_tasks(
            engine, wanted.filter, limit=min(rows, wanted.limit - len(page.tasks)), cursor=page.next_cursor
        )
        for task in found.tasks:
            text = encode(task)
            if page.tasks and size + len(text) > most_bytes:
                return page
            page.tasks.append(orjson.Fragment(text))
            page.next_cursor = cursor_after(task, wanted.filter)
            size += len(text)
        page.next_cursor = found.next_cursor
        if page.next_cursor is None:
            return page
        rows = max(1, (most_bytes - size) * len(page.tasks) // size)
    return page

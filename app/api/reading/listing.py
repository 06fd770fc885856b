"""The list of tasks: its query parameters, and its pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from flask import request

from app.api.answers import encode
from app.api.instants import INSTANT_PATTERN, read_instant
from app.api.reading.aliases import state_word
from app.api.reading.field_errors import FieldErrors, NotAllowed
from app.api.reading.requests import Query, query
from app.api.shapes import parameter
from app.ledger.listing import Filter, cursor_after, list_tasks
from app.task import TaskState

if TYPE_CHECKING:
    from sqlalchemy import Engine


MAX_TASKS, DEFAULT_TASKS = 1000, 100
MAX_TYPES = 200  # each makes the statement longer
MAX_PAGE_BYTES = 8 * 1024 * 1024
FIRST_ROWS = 100
ORDERS = {"execute_at,id": False, "execute_at": False, "-execute_at": True}
ID_PREFIX = re.compile(r"(-?[0-9a-fA-F]){8,32}-?")
LIMIT = re.compile(r"[0-9]{1,4}")
INSTANT = {"type": "string", "format": "date-time", "pattern": INSTANT_PATTERN}

PARAMETERS: dict[str, dict[str, Any]] = {
    "state": parameter(
        {"type": "array", "items": {"$ref": "#/components/schemas/TaskState"}},
        "One or more states, repeated or separated by commas. Deleted tasks are listed only if named here.",
    ),
    "type": parameter(
        {"type": "array", "items": {"type": "string"}},
        "One or more types, repeated or separated by commas, including types that were removed.",
    ),
    "since": parameter(INSTANT, "Tasks with `execute_at` at or after this instant; write `+` as %2B."),
    "until": parameter(INSTANT, "Tasks with `execute_at` before this instant."),
    "q": parameter(
        {"type": "string", "pattern": f"^{ID_PREFIX.pattern}$"},
        "Tasks whose id begins with these 8 or more hex digits.",
    ),
    "order": parameter({"enum": list(ORDERS), "default": "execute_at,id"}, "Order by time, or latest first."),
    "limit": parameter(
        {"type": "integer", "minimum": 1, "maximum": MAX_TASKS, "default": DEFAULT_TASKS},
        "Maximum number of tasks on a page.",
    ),
    "cursor": parameter(
        {"type": "string", "minLength": 1}, "`next_cursor` of the previous page, with the same filters."
    ),
}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which tasks, how many, and where the page begins."""

    filter: Filter
    limit: int
    cursor: str | None


@dataclass(slots=True)
class EncodedPage:
    """Tasks in JSON, and where the next page begins (None on the last one)."""

    tasks: list[orjson.Fragment] = field(default_factory=list)
    next_cursor: str | None = None


def read_list_query() -> ListQuery:
    """Read the query parameters of a list.

    Raises:
        InvalidInput: naming every parameter that is unknown or wrong.
    """
    errors = FieldErrors()
    sent = query(tuple(PARAMETERS), errors)
    first_id, last_id = sent.one("q", _id_range, (None, None)) or (None, None)
    asked = ListQuery(
        Filter(
            states=sent.many("state", _state),
            types=_types(sent),
            since=sent.one("since", read_instant),
            until=sent.one("until", read_instant),
            id_from=first_id,
            id_to=last_id,
            latest_first=sent.one("order", _order, default=False),
        ),
        limit=sent.one("limit", _limit, DEFAULT_TASKS),
        cursor=sent.one("cursor", str),
    )
    errors.refuse()
    return asked


def read_page(
    engine: Engine, asked: ListQuery, *, max_bytes: int = MAX_PAGE_BYTES, is_over: Callable[[], bool] = lambda: False
) -> EncodedPage:
    """Return the requested number of tasks, or fewer if they exceed `max_bytes`; at least one if there is one.

    Rows are fetched in steps. The size of a step is estimated from the size of the rows before it. `is_over` is called
    before each step and returns whether the page is no longer needed.

    Raises:
        InvalidInput, LedgerUnavailable: as `list_tasks`.
    """
    page, size, rows = EncodedPage(next_cursor=asked.cursor), 0, FIRST_ROWS
    while len(page.tasks) < asked.limit and not (page.tasks and is_over()):
        found = list_tasks(
            engine, asked.filter, limit=min(rows, asked.limit - len(page.tasks)), cursor=page.next_cursor
        )
        for task in found.tasks:
            text = encode(task)
            if page.tasks and size + len(text) > max_bytes:
                return page
            page.tasks.append(orjson.Fragment(text))
            page.next_cursor = cursor_after(task, asked.filter)
            size += len(text)
        page.next_cursor = found.next_cursor
        if page.next_cursor is None:
            return page
        rows = max(1, (max_bytes - size) * len(page.tasks) // size)
    return page


def link_to_next(cursor: str) -> str:
    """Return the `Link` header with the URL of the next page: this query, from `cursor` on."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    return f'<{request.script_root}/tasks?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'


def _types(sent: Query) -> tuple[str, ...]:
    """Read type names. Any name is accepted, because tasks remain after their type was removed from the code."""
    found = sent.many("type", _any_type)
    if len(found) > MAX_TYPES:
        sent.errors.add("type", f"At most {MAX_TYPES} types.")
    return found


def _any_type(name: str) -> str:
    if "\0" in name:
        raise ValueError("Must not contain a NUL character.")
    return name.lower()


def _state(word: str) -> TaskState:
    try:
        return TaskState(state_word(word))
    except ValueError:
        raise NotAllowed([state.value for state in TaskState]) from None


def _id_range(text: str) -> tuple[UUID, UUID]:
    if not ID_PREFIX.fullmatch(text):
        raise ValueError("Must be the beginning of an id, at least 8 hex digits.")
    digits = text.replace("-", "")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _order(text: str) -> bool:
    if text not in ORDERS:
        raise NotAllowed(list(ORDERS))
    return ORDERS[text]


def _limit(text: str) -> int:
    if not LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_TASKS:
        raise ValueError(f"Must be a whole number from 1 to {MAX_TASKS}.")
    return int(text)

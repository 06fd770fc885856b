"""Reads the filters of a list of tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from flask import request

from app.api.openapi.operation import parameter
from app.api.openapi.schemas import TYPE_NAME
from app.api.reading.aliases import state_word
from app.api.reading.field_errors import FieldErrors, NotAllowed
from app.api.reading.instants import INSTANT_PATTERN, read_instant
from app.api.reading.requests import query, type_reader
from app.ledger.listing import Filter
from app.task import TaskState

if TYPE_CHECKING:
    from app.task_types import TaskTypes

MOST_TASKS, USUAL_TASKS = 1000, 100
ORDERS = {"execute_at,id": False, "execute_at": False, "-execute_at": True}
ID_BEGINNING = re.compile(r"(-?[0-9a-fA-F]){8,32}-?")
LIMIT = re.compile(r"[0-9]{1,4}")
INSTANT = {"type": "string", "format": "date-time", "pattern": INSTANT_PATTERN}

PARAMETERS: dict[str, dict[str, Any]] = {
    "state": parameter(
        {"type": "array", "items": {"$ref": "#/components/schemas/TaskState"}},
        "Repeats or takes commas. Deleted tasks are listed only when asked for.",
    ),
    "type": parameter({"type": "array", "items": TYPE_NAME}, "Repeats or takes commas."),
    "since": parameter(INSTANT, "execute_at not before this instant; write `+` as %2B."),
    "until": parameter(INSTANT, "execute_at before this instant."),
    "q": parameter(
        {"type": "string", "pattern": f"^{ID_BEGINNING.pattern}$"}, "The beginning of an id, at least 8 hex digits."
    ),
    "order": parameter({"enum": list(ORDERS), "default": "execute_at,id"}, "By time, or latest first."),
    "limit": parameter({"type": "integer", "minimum": 1, "maximum": MOST_TASKS, "default": USUAL_TASKS}, "Page size."),
    "cursor": parameter({"type": "string", "minLength": 1}, "`next_cursor` of the page before, with the same filters."),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks, how many, and from where on."""

    filter: Filter
    limit: int
    cursor: str | None


def read_listing(types: TaskTypes) -> Wanted:
    """What the query asks for.

    Raises:
        InvalidInput: naming every parameter that is unknown or wrong.
    """
    errors = FieldErrors()
    given = query(tuple(PARAMETERS), errors)
    first_id, last_id = given.one("q", _id_range, (None, None)) or (None, None)
    wanted = Wanted(
        Filter(
            states=given.many("state", _state),
            types=given.many("type", type_reader(types.names)),
            since=given.one("since", read_instant),
            until=given.one("until", read_instant),
            id_from=first_id,
            id_to=last_id,
            latest_first=given.one("order", _order, default=False),
        ),
        limit=given.one("limit", _limit, USUAL_TASKS),
        cursor=given.one("cursor", _cursor),
    )
    errors.refuse()
    return wanted


def link_to_next(cursor: str) -> str:
    """The header that leads to the next page: this query, from there on."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    return f'</tasks?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'


def _state(word: str) -> TaskState:
    try:
        return TaskState(state_word(word))
    except ValueError:
        raise NotAllowed([state.value for state in TaskState]) from None


def _id_range(text: str) -> tuple[UUID, UUID]:
    if not ID_BEGINNING.fullmatch(text):
        raise ValueError("Must be the beginning of an id, at least 8 hex digits.")
    digits = text.replace("-", "")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _order(text: str) -> bool:
    if text not in ORDERS:
        raise NotAllowed(list(ORDERS))
    return ORDERS[text]


def _limit(text: str) -> int:
    if not LIMIT.fullmatch(text) or not 1 <= int(text) <= MOST_TASKS:
        raise ValueError(f"Must be a whole number from 1 to {MOST_TASKS}.")
    return int(text)


def _cursor(text: str) -> str:
    if not text:
        raise ValueError("Take it from next_cursor as it is, or leave it out.")
    return text

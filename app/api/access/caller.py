"""Who makes this request, as far as a key says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import g

if TYPE_CHECKING:
    from uuid import UUID

    from app.api_key import ApiKey


@dataclass(frozen=True, slots=True)
class Caller:
    """A valid key, and whether a session cookie stands for it."""

    key: ApiKey
    by_cookie: bool = False


def set_caller(found: Caller) -> None:
    """Remember it until the request ends."""
    g.caller = found


def caller() -> Caller | None:
    """None where no key is needed."""
    found: Caller | None = g.get("caller")
    return found


def caller_id() -> UUID | None:
    """The id of the caller's key, for the rows that it writes."""
    found = caller()
    return found.key.id if found else None

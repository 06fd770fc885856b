"""Claims what is due, or waits for something to fall due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from app.api.reading.requests import type_reader
from app.api.services import services
from app.api.waiting import look_until

if TYPE_CHECKING:
    from app.api import shapes
    from app.api.reading.field_errors import FieldErrors
    from app.task import Lease


def read_types(asked: shapes.ClaimNext, errors: FieldErrors) -> list[str]:
    """The type that was asked for, or all external ones; any other is wrong."""
    external = sorted(kind.name for kind in services().types.external)
    if not isinstance(asked.type, str):
        return external
    wanted = errors.read("type", type_reader(external), asked.type)
    return [wanted] if wanted else []


def claim_next(asked: shapes.ClaimNext, types: list[str]) -> list[Lease]:
    """What was won, the one due earliest first; nothing when the wait was over before."""
    limit = 1 if asked.limit is UNSET else int(asked.limit)
    return look_until(
        lambda: services().operations.claim_due(worker_id=asked.worker_id, types=types, limit=limit),
        bool,
        wait_s=asked.wait_s,
        pause=services().stopping.wait,
    )

"""A session as Postgres has it: which settings are in force, and whether a pooler lends its connection to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.ledger.silence import connected
from app.ledger.statements import refusing, rows
from app.pooler import is_shared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine


def in_force(engine: Engine, names: Iterable[str]) -> dict[str, str]:
    """The values of these settings on a connection.

    Raises:
        LedgerAway: Postgres did not answer in time.
    """
    return dict(rows(engine, "session", {"names": list(names)}, make=_setting))


def _setting(*, name: str, setting: str) -> tuple[str, str]:
    return name, setting


def shared(engine: Engine) -> bool:
    """Whether a pooler stands in between. Raises as `in_force`."""
    with refusing(), connected(engine) as connection:
        driver: Any = connection.connection.dbapi_connection
        return is_shared(driver)

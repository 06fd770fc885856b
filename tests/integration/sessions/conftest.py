"""Change the defaults of the service's role, and end its sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.restricted import ROLE

if TYPE_CHECKING:
    from sqlalchemy import Engine

    Defaults = Callable[..., AbstractContextManager[None]]

WAIT_MS = 10_000
END = "SELECT pg_terminate_backend(pid, :wait_ms) FROM pg_stat_activity WHERE usename = :role"


@pytest.fixture
def end_sessions(owner: Engine) -> Callable[[], int]:
    """End all sessions of the service's role, and return their number."""

    def end() -> int:
        with owner.connect() as connection:
            return len(connection.execute(text(END), {"wait_ms": WAIT_MS, "role": ROLE}).all())

    return end


@pytest.fixture
def defaults(owner: Engine, end_sessions: Callable[[], int]) -> Defaults:
    """Set defaults of the role in this database; all sessions begin with them, and end afterwards."""

    @contextmanager
    def set_defaults(**settings: str) -> Iterator[None]:
        for name, value in settings.items():
            alter(owner, f"SET {name} = '{value}'")
        end_sessions()
        try:
            yield
        finally:
            alter(owner, "RESET ALL")
            end_sessions()

    return set_defaults


def alter(owner: Engine, what: str) -> None:
    """Change a default of the role in this database. Open sessions keep theirs."""
    with owner.connect() as connection:
        connection.execute(text(f"ALTER ROLE {ROLE} IN DATABASE postgres {what}"))

"""Notices a pooler that shares Postgres' connections between clients, as PgBouncer in transaction mode does.

Each transaction may run on another connection there, so nothing that a session keeps can be relied on. Worst are
prepared statements: psycopg counts their names on each connection from zero, so that the name of one may be another's
where the statement arrives, which Postgres then runs without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.cutting import cut_after

if TYPE_CHECKING:
    import psycopg

ANSWER_WITHIN_S = 3.0


def is_shared(driver: psycopg.Connection[Any]) -> bool:
    """Whether another process answers than the one that greeted us: poolers greet with a number of their own.

    Raises:
        psycopg.Error: nobody answers within ANSWER_WITHIN_S; the connection is cut.
    """
    with cut_after(driver, ANSWER_WITHIN_S):
        answered = driver.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return answered is None or answered[0] != driver.info.backend_pid


def prepare_nothing_if_shared(driver: psycopg.Connection[Any], *_: object) -> None:
    """For each new connection: an address may lead to a pooler that it did not lead to before."""
    if driver.prepare_threshold is not None and is_shared(driver):
        driver.prepare_threshold = None

"""The users as which the service's processes connect in tests: they may do what the files in docs/ say, no more."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import psycopg

DOCS = Path(__file__).parents[1] / "docs"
ROLE, USER = "punctual_service", "punctual"
PASSWORD = "of-a-test-only"


def acl_line() -> str:
    """The user, as a line of Valkey's configuration: it outlives a restart."""
    lines = (DOCS / "redis-acl.txt").read_text(encoding="utf-8").splitlines()
    rules = [rule for line in lines if not line.startswith("#") for rule in line.split()]
    return " ".join(["user", USER, "on", f">{PASSWORD}", *rules])


def restrict(owner_url: str) -> None:
    """Make the role, and let it use this database, whose tables must be there."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute((DOCS / "postgres-role.sql").read_bytes())
        connection.execute(f"ALTER ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'".encode())


def as_role(database_url: str) -> str:
    """The same database, for the role."""
    return _as(database_url, f"{ROLE}:{PASSWORD}")


def as_user(redis_url: str) -> str:
    """The same Redis, for the user."""
    return _as(redis_url, f"{USER}:{PASSWORD}")


def _as(url: str, who: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{who}@{parts.hostname}:{parts.port}").geturl()

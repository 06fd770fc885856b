"""The restricted users of the service's processes in tests; the files in docs/ define their rights."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import psycopg

DOCS = Path(__file__).parents[1] / "docs"
ROLE, USER = "punctual_service", "punctual"
PASSWORD = "of-a-test-only"


def acl_line() -> str:
    """Return the user as a line of Valkey's configuration, which survives a restart."""
    lines = (DOCS / "redis-acl.txt").read_text(encoding="utf-8").splitlines()
    rules = [rule for line in lines if not line.startswith("#") for rule in line.split()]
    return " ".join(["user", USER, "on", f">{PASSWORD}", *rules])


def restrict(owner_url: str) -> None:
    """Create the role and grant it its rights. The tables must exist."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute((DOCS / "postgres-role.sql").read_bytes())
        connection.execute(f"ALTER ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'".encode())


def as_role(database_url: str) -> str:
    """Return the URL of the same database for the role."""
    return _as(database_url, f"{ROLE}:{PASSWORD}")


def as_user(redis_url: str) -> str:
    """Return the URL of the same Redis for the user."""
    return _as(redis_url, f"{USER}:{PASSWORD}")


def _as(url: str, credentials: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{credentials}@{parts.hostname}:{parts.port}").geturl()

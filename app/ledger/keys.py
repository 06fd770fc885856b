"""API keys in the ledger: made, looked up, revoked, and what each has pending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from app.api_key import ApiKey, Scope
from app.errors import KeyNotFound, LedgerAway, StatementRefused, TooManyKeys
from app.ledger.statements import fetch

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Engine

MOST_VALID = 10_000  # what a web process keeps in memory
VALID_NOW, SECRET_SHA256 = 7, 7  # the columns of keys_all.sql and keys_valid.sql beside those of a key


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key, and whether it opens something now."""

    key: ApiKey
    valid: bool


def create(
    engine: Engine,
    name: str,
    secret_sha256: bytes,
    scopes: Collection[Scope],
    *,
    expires_in_s: float | None = None,
    max_pending: int | None = None,
) -> ApiKey:
    """Keep a new key; of its secret, the hash.

    Raises:
        TooManyKeys: no web process would look at it.
    """
    if len(valid(engine)) >= MOST_VALID:
        raise TooManyKeys
    asked = {
        "id": uuid7(),
        "name": name,
        "secret_sha256": secret_sha256,
        "scopes": sorted(scopes),
        "expires_in_s": expires_in_s,
        "max_pending": max_pending,
    }
    return _as_key(fetch(engine, "key_create", asked)[0])


def valid(engine: Engine) -> dict[bytes, ApiKey]:
    """The keys that open something now, by the hash of their secret; the newest, if there are too many.

    Raises:
        LedgerAway: Postgres does not answer, or has no table of keys yet.
    """
    try:
        rows = fetch(engine, "keys_valid", {"limit": MOST_VALID})
    except StatementRefused as trouble:
        raise LedgerAway from trouble
    return {bytes(row[SECRET_SHA256]): _as_key(row) for row in rows}


def list_all(engine: Engine) -> list[ListedKey]:
    """Every key ever made, the oldest first."""
    return [ListedKey(_as_key(row), row[VALID_NOW]) for row in fetch(engine, "keys_all")]


def revoke(engine: Engine, key_id: UUID) -> ApiKey:
    """From now on it opens nothing; web processes notice within seconds.

    Raises:
        KeyNotFound: no such id.
    """
    rows = fetch(engine, "key_revoke", {"id": key_id})
    if not rows:
        raise KeyNotFound
    return _as_key(rows[0])


def pending(engine: Engine, key_id: UUID, at_most: int) -> int:
    """How many tasks of this key wait to run; not counted beyond `at_most`."""
    return int(fetch(engine, "key_pending", {"id": key_id, "at_most": at_most})[0][0])


def _as_key(row: Any) -> ApiKey:
    return ApiKey(
        id=row[0],
        name=row[1],
        scopes=frozenset(map(Scope, row[2])),
        max_pending=row[3],
        created_at=row[4],
        expires_at=row[5],
        revoked_at=row[6],
    )

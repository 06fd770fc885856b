"""API keys: create, look up, revoke, and count the pending tasks of each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.api_key import ApiKey, Scope
from app.errors import KeyNotFound, TooManyKeys
from app.ledger.statements import rows, scalars

if TYPE_CHECKING:
    from sqlalchemy import Engine

MAX_VALID = 10_000  # each web process keeps all valid keys in memory


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key, and whether it is valid now."""

    key: ApiKey
    valid: bool

    @classmethod
    def from_row(cls, *, valid: bool, **columns: Any) -> ListedKey:
        """Make a key from the columns of its row, by name."""
        return cls(ApiKey.from_row(**columns), valid)


def create(
    engine: Engine,
    name: str,
    secret_sha256: bytes,
    scopes: Collection[Scope],
    *,
    expires_in_s: float | None = None,
    max_pending: int | None = None,
) -> ApiKey:
    """Store a new key, with the hash of its secret.

    Raises:
        TooManyKeys: there are MAX_VALID valid keys.
    """
    if len(valid(engine)) >= MAX_VALID:
        raise TooManyKeys
    asked = {
        "id": uuid7(),
        "name": name,
        "secret_sha256": secret_sha256,
        "scopes": sorted(scopes),
        "expires_in_s": expires_in_s,
        "max_pending": max_pending,
    }
    return rows(engine, "key_create", asked, make=ApiKey.from_row)[0]


def valid(engine: Engine) -> dict[bytes, ApiKey]:
    """Return the valid keys by the hash of their secret; the newest, if there are too many.

    Raises:
        LedgerUnavailable: Postgres does not answer, or was never migrated.
    """
    return dict(rows(engine, "keys_valid", {"limit": MAX_VALID}, make=_by_hash))


def list_all(engine: Engine) -> list[ListedKey]:
    """Return all keys ever made, the oldest first."""
    return rows(engine, "keys_all", make=ListedKey.from_row)


def revoke(engine: Engine, key_id: UUID) -> ApiKey:
    """Revoke a key; web processes notice within seconds.

    Raises:
        KeyNotFound: no such id.
    """
    for revoked in rows(engine, "key_revoke", {"id": key_id}, make=ApiKey.from_row):
        return revoked
    raise KeyNotFound


def pending(engine: Engine, key_id: UUID, at_most: int) -> int:
    """Count the scheduled tasks of this key, up to `at_most`."""
    return int(scalars(engine, "key_pending", {"id": key_id, "at_most": at_most})[0])


def _by_hash(*, secret_sha256: bytes, **columns: Any) -> tuple[bytes, ApiKey]:
    return bytes(secret_sha256), ApiKey.from_row(**columns)

"""An API key: what it may do. The secret itself is shown once and kept nowhere, only its SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

PREFIX = "pk_punctual_"  # so that scanners for leaked secrets, and people, know what they have found
SECRET_BYTES = 32
LENGTH = len(PREFIX) + 43  # of 32 bytes in base64 without padding


class Scope(StrEnum):
    """What a key may be allowed to do; `admin` is everything."""

    READ = "read"
    WRITE = "write"
    WORKER = "worker"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One row of `api_keys`, without the hash. `max_pending`: how many scheduled tasks it may have; None: any."""

    id: UUID
    name: str
    scopes: frozenset[Scope]
    max_pending: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def from_row(cls, *, scopes: Iterable[str], **columns: Any) -> ApiKey:
        """Make a key from the columns of its row, by name."""
        return cls(scopes=frozenset(map(Scope, scopes)), **columns)

    def allows(self, scope: Scope) -> bool:
        """Whether it may do that."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def new_secret() -> str:
    """The text that the holder sends: the prefix and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> bytes | None:
    """What is kept of a secret; None for what cannot be one."""
    if len(secret) != LENGTH or not secret.startswith(PREFIX) or not secret.isascii():
        return None
    return hashlib.sha256(secret.encode()).digest()

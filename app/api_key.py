"""API keys: scopes, secrets and their digests. A secret is shown once; only its SHA-256 is stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

PREFIX = "pk_punctual_"  # by which people and secret scanners recognize a leaked key
SECRET_BYTES = 32
LENGTH = len(PREFIX) + 43  # 32 bytes in base64 without padding
MAX_LENGTH = 256  # a platform chooses the length of INITIAL_API_KEY


class Scope(StrEnum):
    """What a key allows. `admin` includes all scopes."""

    READ = "read"
    WRITE = "write"
    WORKER = "worker"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One row of `api_keys`, without the digest. `max_pending` limits its scheduled tasks; None means no limit."""

    id: UUID
    name: str
    scopes: frozenset[Scope]
    max_pending: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def from_row(cls, *, scopes: Iterable[str], **columns: Any) -> ApiKey:
        """Make a key from the columns of a row, by name."""
        return cls(scopes=frozenset(map(Scope, scopes)), **columns)

    def allows(self, scope: Scope) -> bool:
        """Return whether the key has this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def new_secret() -> str:
    """Return a new secret: the prefix and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> bytes | None:
    """Return the SHA-256 of a secret; None if the text cannot be a secret."""
    if not LENGTH <= len(secret) <= MAX_LENGTH or not secret.startswith(PREFIX) or not secret.isascii():
        return None
    return hashlib.sha256(secret.encode()).digest()

"""API keys for tests, and requests that carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.api_key import PREFIX, ApiKey, Scope, digest, new_secret
from app.ledger import keys as ledger

if TYPE_CHECKING:
    from sqlalchemy import Engine

PASSWORD = "a secret of at least thirty-two characters"
UNKNOWN = f"{PREFIX}{'x' * 43}"  # has the form of a secret
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


def make_key(engine: Engine, *scopes: str, **limits: Any) -> tuple[ApiKey, str]:
    """Create a valid key; return it with its secret."""
    secret = new_secret()
    hashed = digest(secret)
    assert hashed
    return ledger.create(engine, "test", hashed, [Scope(each) for each in scopes], **limits), secret


def bearer(secret: str) -> dict[str, str]:
    """Return the header that contains this secret."""
    return {"Authorization": f"Bearer {secret}"}


def new_bearer(engine: Engine, *scopes: str, **limits: Any) -> dict[str, str]:
    """Create a key and return the header that contains its secret."""
    return bearer(make_key(engine, *scopes, **limits)[1])

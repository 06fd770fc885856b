"""The key that a program sends with its request."""

from __future__ import annotations

from flask import request


def sent_secret() -> str | None:
    """What stands behind `Bearer`; empty for another kind of credentials, None for none."""
    given = request.headers.get("Authorization")
    return None if given is None else secret_of(given)


def secret_of(credentials: str) -> str:
    """What stands behind `Bearer` in such a header; empty for another kind of credentials."""
    scheme, _, secret = credentials.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""

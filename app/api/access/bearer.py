"""The key that a program sends with its request."""

from __future__ import annotations

from flask import request


def sent_secret() -> str | None:
    """What stands behind `Bearer`; empty for another kind of credentials, None for none."""
    given = request.headers.get("Authorization")
    if given is None:
        return None
    scheme, _, secret = given.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""

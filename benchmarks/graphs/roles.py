"""Which line is ours, and which is a limit."""

from __future__ import annotations

from typing import Any

ROLES = {"Punctual": "ours", "raw loop": "limit"}


def role_of(system: dict[str, Any]) -> str:
    """Nothing for a peer."""
    return ROLES.get(system["peer"], "")

"""Does a session have the limits that it asked for? A pooler may have kept the wish to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.doctor.finding import Finding, fail, ok

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_session(asked: Mapping[str, str], found: Mapping[str, str]) -> Finding:
    """Is everything in force that each session asks for? The remedy is to be pasted: any role may change its own."""
    missing = {name: value for name, value in asked.items() if found.get(name) != value}
    if not missing:
        return ok("session", "limits, time zone and plans are as asked for")
    said = ", ".join(f"{name} is {found.get(name)}, not {value}" for name, value in missing.items())
    wanted = " ".join(f"ALTER ROLE CURRENT_USER SET {name} = '{value}';" for name, value in missing.items())
    return fail("session", said, f"A pooler keeps them to itself. As this role: {wanted} Then have it connect anew.")


def check_pooler(*, shared: bool) -> Finding:
    """Is there one that lends a connection to others between two transactions?"""
    if shared:
        return ok("pooler", "one shares Postgres' connections: nothing is prepared through it")
    return ok("pooler", "none")

"""The path prefix under which clients see the service, when a proxy serves it below a path of another site."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

# Path segments, but not `.` or `..`, so that a browser does not take it for another host or a parent folder.
PREFIX = re.compile(r"(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._~-]{1,64}){1,8}")
FORWARDED_PREFIX = "x-forwarded-prefix"


def prefix_of(forwarded: str | None, peer: str, configured: str) -> str:
    """Return the prefix of a request: X-Forwarded-Prefix from an internal address, otherwise URL_PREFIX.

    `peer` is the address that opened the connection; the header is ignored if it is public. Several proxies append
    their prefixes, separated by commas. A value that is not a path is ignored.
    """
    if not forwarded or not _is_internal(peer):
        return configured
    parts = [each.strip().rstrip("/") for each in forwarded.split(",")]
    return "".join(parts) if all(not each or PREFIX.fullmatch(each) for each in parts) else configured


def peer_of(scope: Any) -> str:
    """Return the address that opened the connection of an RSGI request."""
    return str(scope.client.rpartition(":")[0].strip("[]"))


def below(prefix: str, path: str) -> str:
    """Return the path without the prefix, which a proxy may have removed already."""
    if prefix and (path == prefix or path.startswith(prefix + "/")):
        return path[len(prefix) :] or "/"
    return path


def _is_internal(address: str) -> bool:
    try:
        return not ip_address(address).is_global
    except ValueError:  # a Unix socket
        return True

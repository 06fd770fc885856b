"""The header `Prefer` (RFC 7240): what the caller would like, if it is no trouble."""

from __future__ import annotations

from werkzeug.http import parse_list_header


def prefers_minimal(header: str) -> bool:
    """Whether an answer without a body is enough: the first `return` preference says `minimal`."""
    for preference in parse_list_header(header):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "return":
            return value.strip().strip('"').lower() == "minimal"
    return False

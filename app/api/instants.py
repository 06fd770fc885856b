"""Instants in requests and answers: RFC 3339 with an offset; none is rounded to an earlier time."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

# The usual form, which the standard library reads as RFC 3339 defines it, four times as fast.
USUAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
# RFC 3339, and unambiguous variants that some platforms write: `+0100` and `+01` (PHP, Jackson, Postgres), a blank
# before the offset and `UTC` (Ruby), no seconds (java.time). ASCII digits only; \d would match those of every script.
ACCEPTED = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.(?P<fraction>[0-9]+))?)?"
    r" ?(?:[Zz]|UTC|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3])(?::?(?P<minutes>[0-5][0-9]))?)"
)
WITHOUT_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?)?")
PLUS_AS_BLANK = re.compile(r".*[0-9] {1,2}[0-9]{2}(:?[0-9]{2})?")
# For the OpenAPI document: RFC 3339, without the first and the last year of the range.
INSTANT_PATTERN = (
    r"^(000[2-9]|00[1-9]\d|0[1-9]\d{2}|[1-8]\d{3}|9[0-8]\d{2}|99[0-8]\d|999[0-8])-\d\d-\d\d[Tt]\d\d:\d\d:[0-5]\d"
    r"(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$"
)
MICROSECOND_DIGITS = 6
MUST_BE_INSTANT = "Must be an RFC 3339 time with an offset, like 2030-01-31T09:30:00.25+01:00"


def read_instant(text: str) -> datetime:
    """Read an instant as an aware datetime in UTC. Digits beyond microseconds are rounded up, so that it is not early.

    Raises:
        ValueError: its message names the fault.
    """
    if USUAL.fullmatch(text):
        with suppress(ValueError, OverflowError):  # explained below
            return datetime.fromisoformat(text).astimezone(UTC)
    match = ACCEPTED.fullmatch(text)
    if not match:
        raise ValueError(_refusal(text))
    try:
        wall = datetime(*(int(digits or 0) for digits in match.groups()[:6]), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        raise ValueError(f"There is no such date or time (no 24:00, no leap second). {MUST_BE_INSTANT}.") from None
    try:
        return wall + (_microseconds(match["fraction"] or "") - _offset(match))
    except OverflowError:
        raise ValueError("Must be from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z.") from None


def write_instant(at: datetime) -> str:
    """Write an instant in UTC with `Z`, with microseconds if it has any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _refusal(text: str) -> str:
    if PLUS_AS_BLANK.fullmatch(text):
        return f"{MUST_BE_INSTANT}; in a URL, write `+` as %2B."
    if WITHOUT_OFFSET.fullmatch(text):
        return f"{MUST_BE_INSTANT}; this one has none."
    return f"{MUST_BE_INSTANT}."


def _microseconds(fraction: str) -> timedelta:
    kept, finer = fraction[:MICROSECOND_DIGITS], fraction[MICROSECOND_DIGITS:]
    return timedelta(microseconds=int(kept.ljust(MICROSECOND_DIGITS, "0")) + bool(finer.strip("0")))


def _offset(match: re.Match[str]) -> timedelta:
    if match["sign"] is None:
        return timedelta(0)
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
    return -offset if match["sign"] == "-" else offset

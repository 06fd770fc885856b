"""Instants in requests and answers: RFC 3339 with an offset; none is rounded to an earlier time."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from app.task import EPOCH

# ASCII digits only; \d would match those of every script.
RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?(?:[Zz]|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3]):(?P<minutes>[0-5][0-9]))"
)
# The usual form, which the standard library reads as RFC 3339 defines it, four times as fast.
USUAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
# For the OpenAPI document: what is accepted, except in the first and last hours of the range.
INSTANT_PATTERN = (
    r"^(19[7-9]\d|[2-8]\d{3}|9[0-8]\d{2}|99[0-8]\d|999[0-8])-\d\d-\d\d[Tt]\d\d:\d\d:[0-5]\d"
    r"(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)$"
)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
MICROSECOND_DIGITS = 6
EXAMPLE = "2030-01-31T09:30:00.250000+01:00"


def read_instant(text: str) -> datetime:
    """Read an instant as an aware datetime in UTC.

    Raises:
        ValueError: its message says what is wrong.
    """
    if USUAL.fullmatch(text):
        with suppress(ValueError, OverflowError):  # explained below
            at = datetime.fromisoformat(text).astimezone(UTC)
            if EPOCH <= at < LATEST:
                return at
    match = RFC_3339.fullmatch(text)
    if not match:
        raise ValueError(f"Must be an RFC 3339 time with an offset, like {EXAMPLE} (in a URL, `+` is written %2B).")
    fraction = match["fraction"] or ""
    if len(fraction) > MICROSECOND_DIGITS:
        raise ValueError("At most six digits after the second: microseconds are kept, nothing finer.")
    return _within_bounds(_wall_time(match, fraction), _offset(match))


def write_instant(at: datetime) -> str:
    """Write an instant in UTC with `Z`, with microseconds if it has any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _wall_time(match: re.Match[str], fraction: str) -> datetime:
    year, month, day, hour, minute, second = (int(digits) for digits in match.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, int(fraction.ljust(6, "0")), UTC)
    except ValueError:
        raise ValueError("There is no such date or time (no 24:00, no leap second).") from None


def _offset(match: re.Match[str]) -> timedelta:
    if match["sign"] is None:
        return timedelta(0)
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    return -offset if match["sign"] == "-" else offset


def _within_bounds(wall: datetime, offset: timedelta) -> datetime:
    """Check the bounds in UTC. The ledger has the same ones, so that every stored instant can be listed."""
    try:
        at = wall - offset
    except OverflowError:
        at = LATEST
    if not EPOCH <= at < LATEST:
        raise ValueError("Must be from 1970-01-01T00:00:00Z to before 9999-12-31T00:00:00Z.")
    return at

"""Instants in requests and answers: which texts are read and refused, and the form that is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest

from app.api.instants import read_instant, write_instant

READ = {
    "2030-01-31T09:30:00Z": datetime(2030, 1, 31, 9, 30, tzinfo=UTC),
    "2030-01-31t09:30:00z": datetime(2030, 1, 31, 9, 30, tzinfo=UTC),
    "2030-01-31T09:30:00+01:00": datetime(2030, 1, 31, 8, 30, tzinfo=UTC),
    "2030-01-31T09:30:00-00:00": datetime(2030, 1, 31, 9, 30, tzinfo=UTC),
    "2030-01-31T00:30:00.5+14:00": datetime(2030, 1, 30, 10, 30, 0, 500_000, tzinfo=UTC),
    "2030-01-31T23:30:00.000001-12:30": datetime(2030, 2, 1, 12, 0, 0, 1, tzinfo=UTC),
    "2028-02-29T00:00:00Z": datetime(2028, 2, 29, tzinfo=UTC),
    "1970-01-01T00:00:00Z": datetime(1970, 1, 1, tzinfo=UTC),
    "1970-01-01T01:00:00+01:00": datetime(1970, 1, 1, tzinfo=UTC),
    "9999-12-30T23:59:59.999999Z": datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
    "9999-12-31T23:59:59Z": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    "9999-12-31T23:59:59.999999Z": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "9999-12-31T23:59:59.9999999+00:01": datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
    "1969-12-31T23:59:59.999999Z": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "1970-01-01T00:00:00+00:01": datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "0001-01-01T00:00:00.0000001-00:01": datetime(1, 1, 1, 0, 1, 0, 1, tzinfo=UTC),
    "2030-01-31T09:30:00.123456789Z": datetime(2030, 1, 31, 9, 30, 0, 123_457, tzinfo=UTC),
    "2030-01-31T09:30:00.1234567Z": datetime(2030, 1, 31, 9, 30, 0, 123_457, tzinfo=UTC),
    "2030-01-31T09:30:00.1234560Z": datetime(2030, 1, 31, 9, 30, 0, 123_456, tzinfo=UTC),
    "2030-01-31T09:30:00.000000000+01:00": datetime(2030, 1, 31, 8, 30, tzinfo=UTC),
    "2030-01-31T09:30:00.0000000001z": datetime(2030, 1, 31, 9, 30, 0, 1, tzinfo=UTC),
    "2030-12-31T23:59:59.999999999Z": datetime(2031, 1, 1, tzinfo=UTC),
    "2030-01-31T09:30:00." + "9" * 1000 + "Z": datetime(2030, 1, 31, 9, 30, 1, tzinfo=UTC),
    "2030-01-31 09:30:00Z": datetime(2030, 1, 31, 9, 30, tzinfo=UTC),
    "2030-01-31 09:30:00.5+00:00": datetime(2030, 1, 31, 9, 30, 0, 500_000, tzinfo=UTC),
    "2030-01-31 09:30:00+01": datetime(2030, 1, 31, 8, 30, tzinfo=UTC),
    "2030-01-31 09:30:00 +0100": datetime(2030, 1, 31, 8, 30, tzinfo=UTC),
    "2030-01-31 09:30:00 UTC": datetime(2030, 1, 31, 9, 30, tzinfo=UTC),
    "2030-01-31T09:30:00.000+0000": datetime(2030, 1, 31, 9, 30, tzinfo=UTC),
    "2030-01-31T09:30:00-0330": datetime(2030, 1, 31, 13, 0, tzinfo=UTC),
    "2030-01-31T09:30Z": datetime(2030, 1, 31, 9, 30, tzinfo=UTC),
    "2030-01-31T09:30+01:00": datetime(2030, 1, 31, 8, 30, tzinfo=UTC),
}
REFUSED = (
    "",
    "tomorrow",
    "1900000000",
    "2030-01-31",
    "2030-01-31T09:30:00",
    "2030-1-31T09:30:00Z",
    "2030-01-31T09:30:00+1:00",
    "2030-01-31T09:30:00+24:00",
    "2030-01-31T09:30:00+01:60",
    "2030-01-31T09:30:00 01:00",
    "2030-01-31T09:30:00.Z",
    "2030-01-31T09:30:00,5Z",
    "2030-01-31T09:30:00.123456789-1:00",
    "2030-01-31T24:00:00Z",
    "2030-06-30T23:59:60Z",
    "2030-02-30T00:00:00Z",
    "2029-02-29T00:00:00Z",
    "2030-13-01T00:00:00Z",
    "2030-00-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59.9999999Z",
    "9999-12-31T23:59:00-00:01",
    "0001-01-01T00:00:00+00:01",
    "0001-01-01T00:00:00",
    "2030-01-31 09:30:00",
    "2030-01-31T09:30:00,123",
    "2030-01-31T09:30.5Z",
    "2030-01-31T09Z",
    "2030-01-31T09:30:00+",
    "2030-01-31T09:30:00+1",
    "2030-01-31T09:30:00+010",
    "2030-01-31T09:30:00+01:00:00",
    "2030-01-31T09:30:00  Z",
    "2030-01-31  09:30:00Z",
    "2030-01-31_09:30:00Z",
    "2030-01-31T09:30:00 CET",
    "2030-01-31T09:30:00GMT",
    "2030-01-31T09:30:00+01:00[Europe/Berlin]",
    "2030-01-31T09:30:00 0100",
    "Thu, 31 Jan 2030 09:30:00 GMT",
    "2030-031T09:30:00Z",
    "20300131T093000Z",
    "1900000000.5",
    "1900000000000",
    "/Date(1900000000000)/",
    "P1D",
    "now",
    "NaT",
    "null",
    "+2030-01-31T09:30:00Z",
    "10000-01-01T00:00:00Z",
    "\u0662\u0660\u0663\u0660-\u0660\u0661-\u0663\u0661T09:30:00Z",
    " 2030-01-31T09:30:00Z",
    "2030-01-31T09:30:00Z\n",
    "2030-W05-4T09:30:00Z",
)


@pytest.mark.parametrize(("text", "instant"), READ.items())
def test_an_instant_is_read_as_utc(text: str, instant: datetime) -> None:
    read = read_instant(text)
    assert read == instant
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_is_not_an_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|no such|Must be from"):
        read_instant(text)


@pytest.mark.parametrize("digits", range(1, 20))
@pytest.mark.parametrize("offset", ["Z", "+05:30", "-0800"])
def test_digits_beyond_microseconds_are_never_rounded_to_an_earlier_time(digits: int, offset: str) -> None:
    fraction = "9876543219876543211"[:digits]
    read = read_instant(f"2030-01-31T09:30:00.{fraction}{offset}")
    exact = Fraction(int(fraction), 10**digits)
    ahead = Fraction(read.microsecond, 10**6) - exact
    assert 0 <= ahead < Fraction(1, 10**6)


HINTS = {
    "2030-01-31T09:30:00": "has none",
    "2030-01-31 09:30:00.123": "has none",
    "2030-01-31": "has none",
    "2030-01-31T09:30:00 01:00": "%2B",
    "2030-01-31 09:30:00  0100": "%2B",
    "2030-01-31T24:00:00Z": "no 24:00",
    "2030-06-30T23:59:60Z": "no leap second",
    "tomorrow": "like 2030-01-31T09:30:00.25+01:00",
}


@pytest.mark.parametrize(("text", "hint"), HINTS.items())
def test_a_refusal_shows_the_right_form_and_what_is_missing(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r"like 2030-01-31T09:30:00\.25") as refused:
        read_instant(text)
    assert hint in str(refused.value)


def test_an_instant_is_written_in_utc_with_its_microseconds() -> None:
    elsewhere = datetime(2030, 1, 31, 9, 30, 0, 1, tzinfo=timezone(timedelta(hours=1)))
    assert write_instant(elsewhere) == "2030-01-31T08:30:00.000001Z"

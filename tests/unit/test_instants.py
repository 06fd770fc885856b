"""Instants in requests and answers: which texts are read and refused, and the form that is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

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
}
REFUSED = (
    "",
    "tomorrow",
    "1900000000",
    "2030-01-31",
    "2030-01-31T09:30:00",
    "2030-01-31 09:30:00Z",
    "2030-01-31T09:30Z",
    "2030-1-31T09:30:00Z",
    "2030-01-31T09:30:00+0100",
    "2030-01-31T09:30:00+1:00",
    "2030-01-31T09:30:00+24:00",
    "2030-01-31T09:30:00+01:60",
    "2030-01-31T09:30:00 01:00",
    "2030-01-31T09:30:00.Z",
    "2030-01-31T09:30:00,5Z",
    "2030-01-31T09:30:00.123456789Z",
    "2030-01-31T09:30:00.1234567Z",
    "2030-01-31T09:30:00.123456789z",
    "2030-01-31T09:30:00.1234567+01:00",
    "2030-01-31T09:30:00.123456789-1:00",
    "2030-01-31T24:00:00Z",
    "2030-06-30T23:59:60Z",
    "2030-02-30T00:00:00Z",
    "2029-02-29T00:00:00Z",
    "2030-13-01T00:00:00Z",
    "2030-00-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00+00:01",
    "9999-12-31T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "9999-12-30T23:59:59-00:01",
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
    with pytest.raises(ValueError, match=r"RFC 3339|no such|six digits|Must be from"):
        read_instant(text)


def test_an_instant_is_written_in_utc_with_its_microseconds() -> None:
    elsewhere = datetime(2030, 1, 31, 9, 30, 0, 1, tzinfo=timezone(timedelta(hours=1)))
    assert write_instant(elsewhere) == "2030-01-31T08:30:00.000001Z"

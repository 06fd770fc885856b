"""Valid JSON that is not a valid task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.api_calls import FUTURE
from tests.integration.bad_input.cases import Case, check, invalid

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine


def task(*fields: str, **changed: Any) -> Case:
    """Return a case of a valid task with these fields changed (... for omitted), which is a 422."""
    fields_sent = {"type": "noop", "execute_at": FUTURE} | changed
    body = {name: value for name, value in fields_sent.items() if value is not ...}
    return invalid(*fields, body=json.dumps(body, ensure_ascii=False).encode())


def at(text: Any) -> Case:
    """Return a case of an invalid instant."""
    return task("execute_at", execute_at=text)


CASES = {
    "an empty object": invalid("type", "execute_at", body=b"{}"),
    "no type": task("type", type=...),
    "no time": task("execute_at", execute_at=...),
    "two times": task("execute_at", delay_s=1),
    "an unknown field": task("colour", colour="red"),
    "a field of answers": task("state", state="running"),
    "an id": task("id", id="01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"),
    "an empty name": task("", **{"": 1}),
    "another letter case": task("Type", Type="noop"),
    "a name of 5,000": task("x" * 100, **{"x" * 5000: 1}),
    "everything wrong": task(
        "type", "execute_at", "payload", "timeout_s", "max_attempts",
        type=1, execute_at=1, payload=1, timeout_s="1", max_attempts="1",
    ),
    "type null": task("type", type=None),
    "type a list": task("type", type=["noop"]),
    "type empty": task("type", type=""),
    "type unknown": task("type", type="nope"),
    "type with a space": task("type", type="noop "),
    "type of a look": task("type", type="nооp"),  # noqa: RUF001 - Cyrillic on purpose
    "type of 100,000": task("type", type="x" * 100_000),
    "type of SQL": task("type", type="noop'; DROP TABLE tasks; --"),
    "time null": at(None),
    "time a number": at(1900000000),
    "time a list": at([FUTURE]),
    "time empty": at(""),
    "time without an offset": at("2030-01-01T00:00:00"),
    "time with a space and no offset": at("2030-01-01 00:00:00"),
    "time without a date": at("12:00:00Z"),
    "a date alone": at("2030-01-01"),
    "time of a month 13": at("2030-13-01T00:00:00Z"),
    "time of a 30th of February": at("2030-02-30T00:00:00Z"),
    "time of 24:00": at("2030-06-30T24:00:00Z"),
    "time of a leap second": at("2030-06-30T23:59:60Z"),
    "time of a minute 60": at("2030-06-30T23:60:00Z"),
    "time with 7 digits and no offset": at("2030-01-01T00:00:00.1234567"),
    "time of numbers as Jackson writes them": at([2030, 1, 31, 9, 30]),
    "time in milliseconds": at(1900000000000),
    "time in seconds with a fraction": at(1900000000.123),
    "time in milliseconds as text": at("1900000000000"),
    "time as Microsoft wrote it": at("/Date(1900000000000)/"),
    "time of an HTTP date": at("Thu, 31 Jan 2030 09:30:00 GMT"),
    "time of a week": at("2030-W05-4T09:30:00Z"),
    "time true": at(True),
    "time an object": at({"seconds": 1900000000}),
    "time with a comma": at("2030-01-01T00:00:00,5Z"),
    "time with an offset of 24": at("2030-01-01T00:00:00+24:00"),
    "time with an offset of a digit": at("2030-01-01T00:00:00+1"),
    "time with a plus that became a space": at("2030-01-01T00:00:00 01:00"),
    "time with a zone's name": at("2030-01-01T00:00:00[Europe/Berlin]"),
    "time of the year 0001": at("0001-01-01T00:00:00+14:00"),
    "time of the year 0000": at("0000-01-01T00:00:00Z"),
    "time after the last microsecond": at("9999-12-31T23:59:59.9999999Z"),
    "time beyond the last year in UTC": at("9999-12-31T23:59:59-14:00"),
    "time of the year 10000": at("10000-01-01T00:00:00Z"),
    "time in other digits": at("٢٠٣٠-01-01T00:00:00Z"),
    "time of 100,000": at("2" * 100_000),
    "delay below 0": task("delay_s", execute_at=..., delay_s=-0.001),
    "delay of centuries": task("delay_s", execute_at=..., delay_s=1e10),
    "delay a text": task("delay_s", execute_at=..., delay_s="60"),
    "delay true": task("delay_s", execute_at=..., delay_s=True),
    "both times null": task("execute_at", execute_at=None, delay_s=None),
    "a null of an unknown field": task("colour", colour=None),
    "payload a text": task("payload", payload="{}"),
    "payload a list": task("payload", payload=[1]),
    "payload a list of nothing but a list": task("payload", payload=[[]]),
    "payload an empty text": task("payload", payload=""),
    "payload false": task("payload", payload=False),
    "payload over its limit": task("payload", payload={"a": "x" * 65536}),
    "payload over its limit in UTF-8": task("payload", payload={"a": "é" * 33000}),
    "payload of another type": task("payload.mood", "payload.seconds", type="nap", payload={"seconds": "x", "mood": 1}),
    "timeout 0": task("timeout_s", timeout_s=0),
    "timeout -1": task("timeout_s", timeout_s=-1),
    "timeout over a day": task("timeout_s", timeout_s=86400.001),
    "timeout a text": task("timeout_s", timeout_s="5"),
    "timeout false": task("timeout_s", timeout_s=False),
    "attempts 0": task("max_attempts", max_attempts=0),
    "attempts 101": task("max_attempts", max_attempts=101),
    "attempts 1.5": task("max_attempts", max_attempts=1.5),
    "attempts 2^63": task("max_attempts", max_attempts=2**63),
    "attempts true": task("max_attempts", max_attempts=True),
    "two names that disagree": task("kind", kind="foo"),
    "two old names that disagree": task("time", execute_at=..., send_ts=FUTURE, time="2031-01-01T00:00:00Z"),
    "two names that are lists": task("kind", type=[{}], kind=["foo", 1]),
    "two names that are one wrong list": task("type", type=[{}], kind=[{}]),
    "an old name with a wrong value": task("execution_time", execute_at=..., execution_time="soon"),
    "an old name and another time": task("send_ts", execute_at=..., send_ts=FUTURE, delay_s=1),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_an_invalid_task_is_refused(client: FlaskClient, engine: Engine, case: Case) -> None:
    check(case, client, engine)

"""Queries with unknown parameters, values out of bounds, and forged cursors."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.integration.api_calls import UNKNOWN_ID, body, create
from tests.integration.bad_input.cases import GOOD, Case, check, invalid, query

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

SHOW = f"/tasks/{UNKNOWN_ID}"
CASES = {
    "state unknown": query("state=asleep", "state"),
    "state with a NUL": query("state=running%00", "state"),
    "state no UTF-8": query("state=%ff", "state"),
    "state a surrogate": query("state=%ed%a0%80", "state"),
    "type a NUL": query("type=%00", "type"),
    "since a word": query("since=yesterday", "since"),
    "since without an offset": query("since=2030-01-01T00:00:00", "since"),
    "since with a plus that is a space": query("since=2030-01-01T00:00:00+01:00", "since"),
    "since twice": query("since=2030-01-01T00:00:00Z&since=2031-01-01T00:00:00Z", "since"),
    "since a leap second": query("since=2030-06-30T23:59:60Z", "since"),
    "until out of bounds": query("until=9999-12-31T23:59:59-14:00", "until"),
    "until the year 1": query("until=0001-01-01T00:00:00%2B14:00", "until"),
    "q too short": query("q=0123456", "q"),
    "q not hexadecimal": query("q=xyzw", "q"),
    "q of hyphens": query("q=----", "q"),
    "q too long": query("q=" + "0" * 33, "q"),
    "q twice": query("q=00000000&q=00000000", "q"),
    "q a NUL": query("q=00000000%00", "q"),
    "order unknown": query("order=created_at", "order"),
    "order of SQL": query("order=-execute_at,id;drop", "order"),
    "limit 0": query("limit=0", "limit"),
    "limit -1": query("limit=-1", "limit"),
    "limit 1001": query("limit=1001", "limit"),
    "limit 2^63": query("limit=9223372036854775808", "limit"),
    "limit of 10,000 digits": query("limit=" + "9" * 10_000, "limit"),
    "limit 1.5": query("limit=1.5", "limit"),
    "limit 1e2": query("limit=1e2", "limit"),
    "limit in other digits": query("limit=%D9%A3", "limit"),
    "limit with a space": query("limit=%201", "limit"),
    "limit twice": query("limit=1&limit=1", "limit"),
    "cursor short": query("cursor=AAAA", "cursor"),
    "cursor forged": query("cursor=" + "A" * 43 + "%3D", "cursor"),
    "cursor of random bytes": query("cursor=" + base64.urlsafe_b64encode(bytes(range(32))).decode(), "cursor"),
    "cursor of another alphabet": query("cursor=" + "/" * 43 + "%3D", "cursor"),
    "cursor not ASCII": query("cursor=%F0%9F%98%80", "cursor"),
    "cursor of 50,000": query("cursor=" + "A" * 50_000, "cursor"),
    "cursor twice": query("cursor=AAAA&cursor=AAAA", "cursor"),
    "an unknown parameter": query("offset=10", "offset"),
    "another letter case": query("State=running", "State"),
    "a parameter without a value": query("dry_run", "dry_run"),
    "a parameter without a name": query("=1", ""),
    "a name with a NUL": query("a%00=1", "a\0"),
    "a name that is no UTF-8": query("%ff=1", "%FF"),
    "a name of 1,000": query("x" * 1000 + "=1", "x" * 100),
    "an array as others write it": query("state[]=running", "state[]"),
    "many unknown ones": query("a=1&b=2&c=3", "a", "b", "c"),
    "all wrong": query("state=x&limit=0&since=x&page=2", "state", "limit", "since", "page"),
    "two names that disagree": query("state=running&status=done", "status"),
    "an old filter unknown": query("filter=colour:red", "filter"),
    "an old filter wrong": query("filter=status:asleep", "filter"),
    "an old name wrong": query("filters.status=nope", "filters.status"),
    "201 types": query("type=" + ",".join(f"t{n}" for n in range(201)), "type"),
    "an unknown parameter without a value": query("page=", "page"),
    "an old name elsewhere, empty": query("filters.status=", "state", path="/tasks/next"),
    "since in seconds": query("since=1900000000", "since"),
    "a field of tasks": query("not_before=2030-01-01T00:00:00Z", "not_before"),
    "wait -1": query("wait_s=-1", "wait_s", path=SHOW),
    "wait 31": query("wait_s=31", "wait_s", path=SHOW),
    "wait nan": query("wait_s=nan", "wait_s", path=SHOW),
    "wait inf": query("wait_s=inf", "wait_s", path=SHOW),
    "wait 1e400": query("wait_s=1e400", "wait_s", path=SHOW),
    "wait a text": query("wait_s=0x10", "wait_s", path=SHOW),
    "wait twice": query("wait_s=1&wait_s=1", "wait_s", path=SHOW),
    "a list's parameter elsewhere": query("limit=1", "limit", path=SHOW),
    "next of no type": query("type=nope", "type", path="/tasks/next"),
    "next of two types": query("type=foo&type=bar", "type", path="/tasks/next"),
    "next with more": query("limit=1", "limit", path="/tasks/next"),
    "a parameter of types": query("a=1", "a", path="/types"),
    "a parameter of health": query("a=1", "a", path="/health"),
    "a parameter of a creation": invalid("dry_run", path="/tasks?dry_run=1", body=GOOD),
    "a parameter of a deletion": invalid("force", method="DELETE", path=f"{SHOW}?force=1", content_type=None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_an_invalid_query_is_refused(client: FlaskClient, engine: Engine, case: Case) -> None:
    check(case, client, engine)


@pytest.mark.parametrize("change", [lambda it: it[:-4], lambda it: it[4:], lambda it: it + "AAAA", str.swapcase])
def test_a_changed_cursor_is_refused(client: FlaskClient, engine: Engine, change: type[str]) -> None:
    for _ in range(2):
        create(client)
    cursor = body(client.get("/tasks?limit=1"))["next_cursor"]
    assert client.get(f"/tasks?limit=1&cursor={cursor}").status_code == 200
    check(query(f"limit=1&cursor={change(cursor)}", "cursor"), client, engine)


@pytest.mark.parametrize("other", ["state=scheduled", "type=foo", "order=-execute_at", "since=2020-01-01T00:00:00Z"])
def test_a_cursor_of_another_list_is_refused(client: FlaskClient, engine: Engine, other: str) -> None:
    for _ in range(2):
        create(client)
    cursor = body(client.get("/tasks?limit=1"))["next_cursor"]
    check(query(f"{other}&cursor={cursor}", "cursor"), client, engine)

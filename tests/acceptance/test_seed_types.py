"""The six seed types do what is specified, and each prints exactly one line of its own."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.client import new_task, seconds

if TYPE_CHECKING:
    from tests.acceptance.bar_site import BarSite
    from tests.acceptance.client import Json
    from tests.acceptance.service import Service

SLEEPS_S = {"foo": 3, "fizz": 3, "buzz": 5}
SEED_TYPES = ("foo", "bar", "baz", "fizz", "buzz", "fizzbuzz")
EACH = 8


@pytest.fixture(scope="module")
def done(service: Service, bar_site: BarSite) -> list[Json]:
    """Run some tasks of each seed type at once, so that their output would interleave if it could."""
    created = service.client.create_many([new_task(each, delay_s=0.5) for _ in range(EACH) for each in SEED_TYPES])
    return list(service.client.wait_final([each["id"] for each in created], timeout=40).values())


@pytest.mark.parametrize("task_type", SEED_TYPES)
def test_each_seed_type_succeeds_with_its_exact_line(done: list[Json], task_type: str) -> None:
    expected = {
        "foo": "Foo {id}",
        "bar": "200",
        "baz": r"Baz (\d|[1-9]\d|[12]\d\d|3[0-3]\d|34[0-3])",
        "fizz": "Fizz {id}",
        "buzz": "Buzz {id}",
        "fizzbuzz": r"FizzBuzz \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    }[task_type]
    ran = [each for each in done if each["type"] == task_type]
    assert len(ran) == EACH
    for each in ran:
        assert (each["state"], each["error"], each["attempt"]) == ("succeeded", None, 1)
        assert each["result"].keys() == {"output"}
        assert re.fullmatch(expected.format(id=each["id"]), each["result"]["output"])


@pytest.mark.parametrize("task_type", SLEEPS_S)
def test_a_sleeping_type_sleeps_for_its_full_time(done: list[Json], task_type: str) -> None:
    """An upper bound is not needed: a task that exceeds its timeout would have failed."""
    for each in done:
        if each["type"] == task_type:
            assert seconds(each["finished_at"]) - seconds(each["started_at"]) >= SLEEPS_S[task_type]


def test_fizzbuzz_prints_the_time_at_which_it_ran(done: list[Json]) -> None:
    for each in done:
        if each["type"] == "fizzbuzz":
            printed = seconds(each["result"]["output"].removeprefix("FizzBuzz "))
            assert seconds(each["started_at"]) - 0.01 <= printed <= seconds(each["finished_at"]) + 0.01


def test_baz_draws_different_numbers(done: list[Json]) -> None:
    numbers = {each["result"]["output"] for each in done if each["type"] == "baz"}
    assert len(numbers) > 1


def test_bar_sends_the_headers_of_a_browser(done: list[Json], bar_site: BarSite) -> None:
    for headers in bar_site.received:
        assert headers["User-Agent"].startswith("Mozilla/5.0 (")
        assert headers["Accept"].startswith("text/html")


@pytest.mark.parametrize("status", [204, 302, 404, 500])
def test_any_status_is_a_success_for_bar(service: Service, bar_site: BarSite, status: int) -> None:
    bar_site.status = status
    try:
        done = service.client.get(service.client.create("bar")["id"], wait_s=10)
    finally:
        bar_site.status = 200
    assert (done["state"], done["result"]) == ("succeeded", {"output": str(status)})


def test_bar_fails_without_an_answer(service: Service, bar_site: BarSite) -> None:
    bar_site.status = None
    try:
        done = service.client.get(service.client.create("bar")["id"], wait_s=10)
    finally:
        bar_site.status = 200
    assert (done["state"], done["result"], done["error"]["type"]) == ("failed", None, "handler_error")
    assert done["error"]["attempt"] == 1


def test_the_case_of_a_type_does_not_matter(service: Service) -> None:
    created = service.client.create("FizzBuzz", execute_at=datetime.now(UTC))
    assert created["type"] == "fizzbuzz"
    assert created["task_id"] == created["id"]
    assert service.client.get(created["id"], wait_s=10)["state"] == "succeeded"


def test_stdout_of_the_workers_has_the_line_of_each_task_once_and_nothing_else(
    service: Service, done: list[Json]
) -> None:
    every = service.client.list_all(state="succeeded", type=",".join(SEED_TYPES))
    assert len(every) >= len(done)
    assert Counter(service.lines()) == Counter(each["result"]["output"] for each in every)
    silent = [each for name, each in service.processes.items() if not name.startswith("worker.")]
    assert [line for each in silent for line in each.lines()] == []


def test_each_line_on_stderr_is_a_json_object(service: Service, done: list[Json]) -> None:
    for each in service.processes.values():
        for line in each.log_lines():
            assert isinstance(json.loads(line), dict), line

"""The tasks that `submit` and submit_task.py create."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

import submit_task
from app.cli.service import Service, ServiceUnavailable
from tools import submit
from tools.submit import spread_around

NOW = datetime(2030, 1, 31, 8, 30, tzinfo=UTC)


def test_times_are_spread_evenly_around_now() -> None:
    bodies = spread_around(NOW, count=4000, spread_s=1800, types=["baz"], chance=random.Random(7))
    offsets = [(datetime.fromisoformat(each["execute_at"]) - NOW) / timedelta(minutes=1) for each in bodies]
    assert -30 <= min(offsets) < -29.5
    assert 29.5 < max(offsets) <= 30
    quarters = Counter(int((each + 30) // 15) for each in offsets)
    assert all(900 < quarters[quarter] < 1100 for quarter in range(4))


def test_types_are_chosen_at_random() -> None:
    bodies = spread_around(NOW, count=300, spread_s=1, types=["foo", "bar"], chance=random.Random(7))
    assert set(Counter(each["type"] for each in bodies)) == {"foo", "bar"}


def test_the_script_spreads_times_over_the_given_minutes() -> None:
    bodies = list(submit_task.bodies(NOW, 1000, 1.0, ["foo", "bar", "baz"]))
    offsets = [(datetime.fromisoformat(each["execute_at"]) - NOW).total_seconds() for each in bodies]
    assert -60 <= min(offsets) < -50
    assert 50 < max(offsets) <= 60
    assert {each["type"] for each in bodies} == {"foo", "bar", "baz"}


def test_the_script_submits_10000_of_three_types_over_an_hour_by_default() -> None:
    arguments = submit_task.read_arguments([])
    assert (arguments.count, arguments.minutes, arguments.type) == (10_000, 30.0, ["foo", "bar", "baz"])
    assert arguments.url == "http://127.0.0.1:8000"


@pytest.mark.parametrize("wrong", [["ftp://x"], ["http://a:b"], ["http://"], ["--count", "0"], ["--minutes", "-1"]])
def test_the_script_refuses_wrong_usage(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        submit_task.read_arguments(wrong)
    assert ended.value.code == 2


def test_the_script_reports_a_service_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert submit_task.main(["http://127.0.0.1:9", "--count", "1"]) == 3
    assert "does not answer" in capsys.readouterr().err


def test_requests_to_an_unavailable_service_end_after_some_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def fail(_service: Service, *arguments: object, **_: object) -> None:
        calls.append(arguments)
        raise ServiceUnavailable("unavailable")

    monkeypatch.setattr(Service, "ask", fail)
    bodies = [{"type": "foo", "execute_at": NOW.isoformat()}] * 500
    outcomes = list(submit.create_all(bodies, service=Service("http://x"), concurrency=1))
    assert len(outcomes) == 500
    assert len(calls) == submit.MAX_FAILURES_IN_A_ROW

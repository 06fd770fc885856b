"""One attempt: any behaviour of a handler ends in an outcome."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace as replace_fields

from app.config import read_settings
from app.task import Claim
from app.task_types import TaskType, TaskTypes, load_task_types
from workers.pool.child import message, run
from workers.pool.protocol import Failure
from workers.pool.result import MAX_MESSAGE

if TYPE_CHECKING:
    from punctual import Context

NOWHERE = {
    "DATABASE_URL": "postgresql://nowhere/x",
    "REDIS_URL": "redis://nowhere",
    "TASK_MODULES": "tests.handlers,workers.handlers",
    "EXTERNAL_TASK_TYPES": "resize",
}


NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIM = Claim(
    id="an-id", token="a-token", attempt=1, max_attempts=3, type="noop", payload="{}", timeout_s=5.0, execute_at=NOW,
    asked_at=0.0,
)  # fmt: skip
NOOP = load_task_types(read_settings(NOWHERE))["noop"]


def noop_that(call: Callable[[Any, Context], Any]) -> TaskType:
    """Return the type `noop` with another function to call."""
    assert NOOP.handler
    return replace(NOOP, handler=replace(NOOP.handler, call=call))


def always() -> bool:
    return True


@pytest.fixture(scope="module")
def known() -> TaskTypes:
    return load_task_types(read_settings(NOWHERE))


def attempt(known: TaskTypes, task_type: str, payload: str = "{}", number: int = 1) -> str | Failure:
    claim = replace_fields(CLAIM, type=task_type, payload=payload, attempt=number)
    return run(claim, known, may_begin=always)


def test_the_return_value_is_the_result(known: TaskTypes) -> None:
    assert attempt(known, "noop", '{"a": [1, "é"]}') == '{"a":[1,"é"]}'


def test_an_attempt_without_a_valid_run_lease_does_not_begin() -> None:
    begun: list[object] = []
    outcome = run(CLAIM, TaskTypes([noop_that(lambda *_: begun.append(1))]), may_begin=lambda: False)
    assert isinstance(outcome, Failure)
    assert outcome.type == "worker_lost"
    assert begun == []


def test_the_context_names_the_task_and_the_attempt(known: TaskTypes) -> None:
    outcome = attempt(known, "whoami", number=2)
    assert isinstance(outcome, str)
    assert '"id":"an-id","attempt":2' in outcome


@pytest.mark.parametrize(
    ("task_type", "kind", "message_part"),
    [
        ("fail", "handler_error", "ValueError: as \N{REPLACEMENT CHARACTER} asked ?"),
        ("quit", "handler_error", "SystemExit: 3"),
        ("large", "result_too_large", "300002 bytes"),
        ("unprintable", "bad_result", "is a object, which JSON cannot express"),
        ("resize", "handler_error", "no handler"),
        ("unknown", "handler_error", "KeyError"),
    ],
)
def test_every_failure_is_an_error_with_a_type(known: TaskTypes, task_type: str, kind: str, message_part: str) -> None:
    outcome = attempt(known, task_type)
    assert isinstance(outcome, Failure)
    assert outcome.type == kind
    assert message_part in outcome.message


def test_a_payload_that_no_longer_fits_its_type_is_a_failure_of_the_task(known: TaskTypes) -> None:
    outcome = attempt(known, "nap", '{"seconds": "long"}')
    assert isinstance(outcome, Failure)
    assert "seconds" in outcome.message


def test_a_message_is_short_and_an_exception_that_cannot_be_printed_is_named() -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert message(Unspeakable()) == "Unspeakable"
    assert len(message(ValueError("x" * 10_000))) == MAX_MESSAGE


def nested(depth: int) -> msgspec.Raw:
    return msgspec.Raw(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize("returned", [10**400, 2**70, -(2**63) - 1, {"a": [2**64]}, nested(1100), nested(5000)])
def test_a_value_that_a_json_reader_could_change_or_refuse_is_no_result(returned: object) -> None:
    """Such a result would break every list that contains its task."""
    outcome = run(CLAIM, TaskTypes([noop_that(lambda *_: returned)]), may_begin=always)
    assert isinstance(outcome, Failure)
    assert outcome.type == "bad_result"


@pytest.mark.parametrize("returned", [2**63, -(2**63), 2**64 - 1, "9" * 30, 1e300, nested(100)])
def test_a_value_that_every_json_reader_preserves_is_a_result(returned: object) -> None:
    assert isinstance(run(CLAIM, TaskTypes([noop_that(lambda *_: returned)]), may_begin=always), str)


def test_an_exception_that_exits_while_it_is_printed_is_named() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise SystemExit

    assert message(Unprintable()) == "Unprintable"


def test_a_handler_that_closed_stdout_keeps_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stdout", closed)
    assert isinstance(run(CLAIM, TaskTypes([NOOP]), may_begin=always), str)

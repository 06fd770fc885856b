"""Loading of task types, and names of earlier releases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pydantic
import pytest

from app import task_types
from app.api.reading.field_errors import message_of
from app.config import read_settings
from app.errors import BadTaskType
from app.task_types import load_task_types, task_type
from punctual import Context, task
from tests.handlers import Nap

NOWHERE = {"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere", "TASK_MODULES": "tests.handlers"}
CONTEXT = Context("an-id", "before", 1, 3, 2.0, datetime(2026, 1, 1, tzinfo=UTC))


class Order(pydantic.BaseModel):
    """A payload as a pydantic model."""

    lines: list[dict[str, int]]


def handler(_payload: dict[str, Any], _context: Context) -> None:
    """Do nothing."""


def test_a_second_declaration_of_a_name_is_refused() -> None:
    load_task_types(read_settings(NOWHERE))
    with pytest.raises(BadTaskType, match="twice"):
        task("noop")(handler)


def test_a_missing_module_is_named() -> None:
    with pytest.raises(BadTaskType, match=r"no\.such\.module"):
        load_task_types(read_settings(NOWHERE | {"TASK_MODULES": "no.such.module"}))


def test_external_types_are_not_delivered() -> None:
    types = load_task_types(read_settings(NOWHERE | {"EXTERNAL_TASK_TYPES": "resize,noop"}))
    assert {each.name for each in types.external} == {"resize", "noop"}
    assert not {"resize", "noop"} & {each.name for each in types.delivered}


def test_a_payload_is_checked_against_its_declaration() -> None:
    nap = load_task_types(read_settings(NOWHERE))["nap"]
    assert nap.read_payload({"seconds": 1}).seconds == 1
    assert nap.payload_schema["$ref"]
    with pytest.raises(msgspec.ValidationError):
        nap.read_payload({"seconds": "long"})


def test_the_invalid_field_of_a_pydantic_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("punctual.types._declared", {})

    @task
    def order(payload: Order) -> None: ...

    (kind,) = load_task_types(read_settings(NOWHERE | {"TASK_MODULES": "json"}))
    with pytest.raises(msgspec.ValidationError) as wrong:
        kind.read_payload({"lines": [{"a": 1}, {"a": "one"}]})
    place, what = message_of(wrong.value)
    assert place == "lines[1].a"
    assert "integer" in what


def test_the_decorator_of_earlier_releases_warns_and_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("punctual.types._declared", {})
    with pytest.deprecated_call(match=r"from punctual import Context, task.*@task\('before'\)") as warned:
        declare = task_type("before", payload=Nap, timeout_s=2, max_attempts=3, isolation="thread", queue="slow")
    assert warned[0].filename == __file__, "the warning shows the user's line"

    @declare
    def before(context: Context, payload: Nap) -> list[object]:
        return [context, payload.seconds]

    assert before(CONTEXT, Nap(2.0)) == [CONTEXT, 2.0]
    (kind,) = load_task_types(read_settings(NOWHERE | {"TASK_MODULES": "json"}))
    assert (kind.timeout_s, kind.max_attempts, kind.isolation, kind.queue) == (2, 3, "thread", "slow")
    assert kind.payload_schema["$ref"]
    assert kind.handler
    assert kind.handler.call(kind.handler.decode(b'{"seconds": 1}'), CONTEXT) == [CONTEXT, 1.0]
    with pytest.raises(msgspec.ValidationError):
        kind.handler.decode(b"{}")


@pytest.mark.parametrize("name", ["Upper", "twice"])
def test_the_decorator_of_earlier_releases_still_refuses_invalid_names(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("punctual.types._declared", {})
    task("twice")(handler)
    with pytest.deprecated_call():
        declare = task_type(name)
    with pytest.raises(BadTaskType, match=name):
        declare(lambda _context, _payload: None)


def test_the_context_class_of_earlier_releases_warns_and_is_the_same_class() -> None:
    with pytest.deprecated_call(match="from punctual import Context"):
        from app.task_types import TaskContext
    assert TaskContext is Context


def test_other_names_of_the_module_are_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(task_types, "no_such_name")  # noqa: B009

"""Declaring task types."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.config import read_settings
from app.errors import BadTaskType
from app.task_types import TaskContext, load_task_types, task_type

NOWHERE = {"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere", "TASK_MODULES": "tests.handlers"}


def handler(_context: TaskContext, _payload: dict[str, Any]) -> None:
    """Do nothing."""


@pytest.mark.parametrize("name", ["Upper", "", "1st", "with space", "x" * 65, "semi;colon"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(BadTaskType):
        task_type(name)(handler)


@pytest.mark.parametrize("limits", [{"timeout_s": 0}, {"timeout_s": 86401}, {"max_attempts": 0}, {"max_attempts": 101}])
def test_a_limit_out_of_bounds_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(BadTaskType):
        task_type("bounded", **limits)(handler)


def test_an_isolation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadTaskType, match="isolation"):
        task_type("isolated", isolation="container")(handler)  # type: ignore[arg-type]


def test_a_second_declaration_of_a_name_is_refused() -> None:
    load_task_types(read_settings(NOWHERE))
    with pytest.raises(BadTaskType, match="twice"):
        task_type("noop")(handler)


def test_a_module_that_does_not_exist_is_named() -> None:
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

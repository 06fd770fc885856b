"""Errors of request bodies: every invalid field is named."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import pytest
from msgspec import UNSET, Meta, Struct, ValidationError, convert

from app.api import shapes
from app.api.reading.field_errors import FieldErrors, explain, fit, message_of
from app.api.reading.requests import read_id, read_wait
from app.errors import InvalidInput, TaskNotFound

NO_IDS = (
    "",
    "1",
    "next",
    "01983c5e7a107d2e9c544b1f0a6e2d11",
    "{01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11}",
    "urn:uuid:01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11",
    "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d1g",
    "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11\n",
    "\u06601983c5e-7a10-7d2e-9c54-4b1f0a6e2d11",
)


class Pair(Struct):
    """Two numbers, the second not below the first."""

    low: int
    high: int = 9

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def test_every_wrong_field_is_named() -> None:
    errors = FieldErrors()
    body = {"delay_s": -1, "payload": [1], "timeout_s": 0, "max_attempts": "3", "colour": "red", "execute_at": 5}
    task = fit(body, shapes.NewTask, errors)
    assert set(errors.fields) == {*body, "type"}
    assert errors.fields["colour"] == "Unknown field."
    assert errors.fields["type"] == "Required."
    assert task.delay_s is UNSET


def test_valid_fields_are_kept_beside_invalid_ones() -> None:
    errors = FieldErrors()
    assert fit({"type": "foo", "max_attempts": 0}, shapes.NewTask, errors).type == "foo"


def test_a_place_inside_a_field_is_named() -> None:
    errors = FieldErrors()
    fit({"claim_token": str(uuid.uuid4()), "error": {"message": 5}}, shapes.Failure, errors)
    assert list(errors.fields) == ["error.message"]


def test_an_error_of_a_whole_object_is_reported_at_its_place() -> None:
    errors = FieldErrors()
    with pytest.raises(ValidationError) as wrong:
        convert({"low": 10}, Pair)
    explain(wrong.value, {"low": 10}, Pair, errors, "payload.")
    assert errors.fields == {"payload": "low is above high"}


MESSAGES: dict[str, tuple[Any, Any]] = {
    "Must be a whole number, not text.": ("3", int),
    "Must be a number, not a boolean.": (True, float),
    "Must be text or an object, not null.": (None, str | dict[str, Any]),
    "Must be at most 100.": (101, Annotated[int, Meta(le=100)]),
    "Must be above 0.": (0, Annotated[float, Meta(gt=0)]),
    "Must be at most 0.5.": (1, Annotated[float, Meta(le=0.5)]),
    "Its length must be at least 1.": ("", Annotated[str, Meta(min_length=1)]),
    "Its length must be at most 2.": ([1, 2, 3], Annotated[list[int], Meta(max_length=2)]),
    "Invalid UUID": ("x", uuid.UUID),
    "Object missing required field low": ({}, Pair),
}


@pytest.mark.parametrize(("message", "wrong"), MESSAGES.items())
def test_messages_are_sentences_without_names_of_types_in_python(message: str, wrong: tuple[Any, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        convert(*wrong)
    assert message_of(refused.value)[1] == message


def test_field_errors_are_raised_with_their_fields() -> None:
    errors = FieldErrors()
    errors.refuse()
    errors.add("a", "first")
    errors.add("a", "second")
    with pytest.raises(InvalidInput) as refused:
        errors.refuse()
    assert refused.value.details == {"fields": {"a": "first"}}


@pytest.mark.parametrize("text", NO_IDS)
def test_a_text_that_is_not_a_uuid_names_no_task(text: str) -> None:
    with pytest.raises(TaskNotFound):
        read_id(text)


@pytest.mark.parametrize(
    "text", ["-1", "30.1", "31", "1e2", "1e400", "1e", "nan", "inf", "", "+1", "\u0663", "1.", "9" * 100]
)
def test_a_wait_is_a_number_from_0_to_30(text: str) -> None:
    with pytest.raises(ValueError, match="0 to 30"):
        read_wait(text)


@pytest.mark.parametrize("text", ["0", "30", "1.25", "007", "1e1", "3e-05", "28.887587306161752"])
def test_a_wait_is_read(text: str) -> None:
    assert read_wait(text) == float(text)

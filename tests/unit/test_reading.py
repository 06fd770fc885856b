"""Errors of request bodies: every invalid field is named."""

from __future__ import annotations

import uuid

import pytest
from msgspec import UNSET, Struct, ValidationError, convert

from app.api import shapes
from app.api.reading.field_errors import FieldErrors, explain, fit
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
    body = {"delay_s": -1, "payload": [], "timeout_s": 0, "max_attempts": "3", "colour": "red", "execute_at": None}
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

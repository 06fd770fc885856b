"""Collects the errors of all fields, so that one answer names them all."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from app.api.instants import MUST_BE_INSTANT
from app.api.reading.spellings import kinds_of, respell
from app.errors import InvalidInput

Shape = TypeVar("Shape", bound=msgspec.Struct)
Value = TypeVar("Value")
MAX_NAME = 100
KIND = re.compile("Expected `(.+)`, got `(.+)`")
BOUND = re.compile("Expected `[^`]+`(?P<length> of length)? (?P<sign>[<>]=?) (?P<limit>[-+.0-9e]+)")
BOUNDS = {"<=": "at most", ">=": "at least", "<": "below", ">": "above"}
KINDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "object": "an object",
    "array": "an array",
}  # fmt: skip
RECEIVED = KINDS | {"int": "a number", "float": "a decimal number", "bool": "a boolean"}


class NotAllowed(ValueError):
    """A value that is not one of those allowed."""

    def __init__(self, allowed: list[str]) -> None:
        super().__init__(f"Must be one of: {', '.join(allowed)}." if allowed else "No value is allowed here.")
        self.allowed = allowed


class FieldErrors:
    """Messages by field; `refuse` raises them.

    `sent`: the name under which a field was sent, where that was an alias. `allowed`: the values it may have.
    """

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self.allowed: dict[str, list[str]] = {}

    def add(self, field: str, message: str) -> None:
        """Add the message of a field; its first message is kept."""
        self.fields.setdefault(field[:MAX_NAME], message)

    def read(self, field: str, reader: Callable[[Any], Value], value: Any) -> Value | None:
        """Return what `reader` makes of a value; None, and a message, if it raises ValueError."""
        try:
            return reader(value)
        except NotAllowed as wrong:
            self.allowed[field] = wrong.allowed
            self.add(field, str(wrong))
        except ValueError as wrong:
            self.add(field, str(wrong))
        return None

    def refuse(self) -> None:
        """Raise InvalidInput if there is a message."""
        if self.fields:
            raise self.refusal()

    def refusal(self) -> InvalidInput:
        """Return the exception with all messages."""
        details: dict[str, Any] = {"fields": self._as_sent(self.fields)}
        return InvalidInput(None, **(details | ({"allowed": self._as_sent(self.allowed)} if self.allowed else {})))

    def _as_sent(self, by_field: dict[str, Value]) -> dict[str, Value]:
        return {self.sent.get(field, field): value for field, value in by_field.items()}


def fit(value: dict[str, Any], shape: type[Shape], errors: FieldErrors) -> Shape:
    """Convert JSON into a shape; fields may have other spellings.

    Invalid and missing fields are UNSET in the result, and named in `errors`.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        value = respell(value, shape, errors)
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as wrong:
        return shape(**explain(wrong, value, shape, errors))


def explain(
    wrong: msgspec.ValidationError,
    value: dict[str, Any],
    shape: type[msgspec.Struct],
    errors: FieldErrors,
    place: str = "",
) -> dict[str, Any]:
    """Convert each field by itself, because the whole did not convert; return the fields, the wrong ones UNSET."""
    known = len(errors.fields)
    good = _fit_each(value, shape, errors, place)
    if len(errors.fields) == known:  # a rule that concerns several fields
        errors.add(place.rstrip(".") or "body", message_of(wrong)[1])
    return good


def message_of(wrong: msgspec.ValidationError) -> tuple[str, str]:
    """Split a message of msgspec into the place below the root and what is wrong there."""
    what, _, where = str(wrong).partition(" - at `")
    return where.rstrip("`").removeprefix("$").removeprefix("."), _in_english(what).replace("`", "")


def _in_english(what: str) -> str:
    """Return a message of msgspec without the names of Python's types."""
    if kinds := KIND.fullmatch(what):
        expected = " or ".join(KINDS.get(each, each) for each in kinds[1].split(" | "))
        return f"Must be {expected}, not {RECEIVED.get(kinds[2], kinds[2])}."
    if bound := BOUND.fullmatch(what):
        subject = "Its length must be" if bound["length"] else "Must be"
        return f"{subject} {BOUNDS[bound['sign']]} {bound['limit'].removesuffix('.0')}."
    return what


def _fit_each(value: dict[str, Any], shape: type[msgspec.Struct], errors: FieldErrors, place: str) -> dict[str, Any]:
    good: dict[str, Any] = {}
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name, field in fields.items():
        good[field.name] = msgspec.UNSET
        if name in value:
            try:
                good[field.name] = msgspec.convert(value[name], field.type, str_keys=True)
            except msgspec.ValidationError as wrong:
                below, what = message_of(wrong)
                if kinds_of(shape)[name].takes_instant:
                    what = MUST_BE_INSTANT + what.removeprefix("Must be text")
                errors.add(_join(place + name, below), what)
        elif field.required:
            errors.add(place + name, "Required.")
        elif field.default is not msgspec.NODEFAULT:
            good[field.name] = field.default
    if shape.__struct_config__.forbid_unknown_fields:
        for name in value.keys() - fields.keys():
            errors.add(place + name, "Unknown field.")
    return good


def _join(place: str, below: str) -> str:
    separator = "." if below and not below.startswith("[") else ""
    return f"{place}{separator}{below}"

"""Gathers what is wrong with each field, so that one answer names all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from app.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

Shape = TypeVar("Shape", bound=msgspec.Struct)
Value = TypeVar("Value")
SHOWN = 100


class NotAllowed(ValueError):
    """A value that is not one of those allowed."""

    def __init__(self, allowed: list[str]) -> None:
        super().__init__(f"Must be one of: {', '.join(allowed)}." if allowed else "No value is allowed here.")
        self.allowed = allowed


class FieldErrors:
    """Messages by field; `refuse` ends the request if there are any.

    `sent`: by which name a field was sent, where that was an alias.
    """

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self.allowed: dict[str, list[str]] = {}

    def add(self, field: str, message: str) -> None:
        """Say what is wrong with a field; the first message stays."""
        self.fields.setdefault(field[:SHOWN], message)

    def read(self, field: str, reader: Callable[[Any], Value], value: Any) -> Value | None:
        """Read a value; None, and a message, when the reader does not take it."""
        try:
            return reader(value)
        except NotAllowed as wrong:
            self.allowed[field] = wrong.allowed
            self.add(field, str(wrong))
        except ValueError as wrong:
            self.add(field, str(wrong))
        return None

    def refuse(self) -> None:
        """Raise InvalidInput if anything was wrong."""
        if self.fields:
            details: dict[str, Any] = {"fields": self._as_sent(self.fields)}
            raise InvalidInput(None, **(details | ({"allowed": self._as_sent(self.allowed)} if self.allowed else {})))

    def _as_sent(self, told: dict[str, Value]) -> dict[str, Value]:
        return {self.sent.get(field, field): what for field, what in told.items()}


def fit(value: dict[str, Any], shape: type[Shape], errors: FieldErrors) -> Shape:
    """Fit JSON into a shape. Fields that are wrong or missing are UNSET in the answer, and named in `errors`."""
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
    """Look at each field by itself, now that the whole did not fit; the good ones, the others UNSET."""
    known = len(errors.fields)
    good = _fit_each(value, shape, errors, place)
    if len(errors.fields) == known:  # a rule of the whole, not of one field
        errors.add(place.rstrip(".") or "body", message_of(wrong)[1])
    return good


def message_of(wrong: msgspec.ValidationError) -> tuple[str, str]:
    """Msgspec's message as (place below the root, what is wrong there)."""
    what, _, where = str(wrong).partition(" - at `")
    return where.rstrip("`").removeprefix("$").removeprefix("."), what.replace("`", "")


def _fit_each(value: dict[str, Any], shape: type[msgspec.Struct], errors: FieldErrors, place: str) -> dict[str, Any]:
    good: dict[str, Any] = {}
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name, field in fields.items():
        good[field.name] = msgspec.UNSET
        if name in value:
            try:
                good[field.name] = msgspec.convert(value[name], field.type)
            except msgspec.ValidationError as wrong:
                below, what = message_of(wrong)
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

"""Payloads: which classes can be payloads, and how JSON is converted into them.

msgspec reads Structs, dataclasses, TypedDicts, attrs classes, dictionaries and unions of them. Pydantic models are read
by their own methods; this package never imports pydantic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

JSON_OBJECTS = (
    inspect.AnyType,
    inspect.DataclassType,
    inspect.DictType,
    inspect.StructType,
    inspect.TypedDictType,
)


def fault(payload: Any) -> str | None:
    """Return why a type cannot be a payload; None if it can."""
    if is_model(payload):
        return None
    try:
        shape = inspect.type_info(payload)
        msgspec.json.schema(payload)
        msgspec.json.Decoder(payload)
    except Exception as unreadable:  # noqa: BLE001  # msgspec evaluates the annotations of the user's class
        reason = " ".join(line.strip() for line in str(unreadable).splitlines() if line.strip())
        return f"msgspec cannot read it: {reason}"
    return None if _may_be_object(shape) else "a payload is a JSON object, and this is never read from one"


def schema(payload: Any) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a payload."""
    generated: dict[str, Any] = payload.model_json_schema() if is_model(payload) else msgspec.json.schema(payload)
    return generated


def read(value: Any, payload: Any) -> Any:
    """Convert a decoded JSON object into the payload's type.

    Raises:
        msgspec.ValidationError: naming the place and what is wrong there.
    """
    if is_model(payload):
        return _by_model(payload.model_validate, value)
    return msgspec.convert(value, payload)


def decoder(payload: Any) -> Callable[[bytes | str], Any]:
    """Return the function that reads JSON text as the payload's type. It raises the same errors as `read`."""
    if is_model(payload):
        return lambda text: _by_model(payload.model_validate_json, text)
    decode: Callable[[bytes | str], Any] = msgspec.json.Decoder(payload).decode
    return decode


def is_model(payload: Any) -> bool:
    """Return whether a type is a pydantic model."""
    return isinstance(payload, type) and all(hasattr(payload, each) for each in ("model_validate", "model_json_schema"))


def _by_model(validate: Callable[[Any], Any], value: Any) -> Any:
    """Validate with a pydantic model; raise its first error as a ValidationError of msgspec."""
    try:
        return validate(value)
    except ValueError as error:
        errors = getattr(error, "errors", None)
        if errors is None:  # not pydantic's ValidationError
            raise
        first = errors()[0]
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        raise msgspec.ValidationError(f"{first['msg']} - at `${place}`") from None


def _may_be_object(shape: inspect.Type) -> bool:
    if isinstance(shape, inspect.Metadata):
        return _may_be_object(shape.type)
    if isinstance(shape, inspect.UnionType):
        return any(_may_be_object(each) for each in shape.types)
    return isinstance(shape, JSON_OBJECTS) and not getattr(shape, "array_like", False)

"""Payloads: which classes can be payloads, and how JSON is converted into them.

msgspec reads Structs, dataclasses, TypedDicts, attrs classes, dictionaries and unions of them. Pydantic models are read
by their own methods; this package never imports pydantic.
"""

from __future__ import annotations

import dataclasses
import inspect as inspect_function
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
from msgspec import inspect

NO_OBJECT = "a payload is a JSON object, and this is never read from one"
CUSTOM_TYPE = re.compile(r"custom types requires .* type `?(<.*?>|[^ `]*)`? is not supported")
GENERATED = "<string>"  # the file of a method that `dataclasses` has made
JSON_OBJECTS = (
    inspect.AnyType,
    inspect.DataclassType,
    inspect.DictType,
    inspect.StructType,
    inspect.TypedDictType,
)


@dataclass(frozen=True, slots=True)
class Payload:
    """A type that is read from a JSON object, as `read_type` has examined it.

    `decode` reads JSON text. It raises msgspec.ValidationError with the place and the fault, or any exception of the
    user's code. `schema` is its JSON Schema (2020-12). `runs_code`: decoding runs code of the user, such as a
    `__post_init__`, so it may raise any exception and take long.
    """

    type: Any
    decode: Callable[[bytes | str], Any]
    schema: dict[str, Any]
    runs_code: bool


def read_type(payload: Any) -> Payload:
    """Examine a type.

    Raises:
        ValueError: it cannot be a payload; the message is a clause with the reason.
    """
    try:
        return _read_model(payload) if is_model(payload) else _read_shape(payload)
    except _CannotBePayload:
        raise
    except Exception as unreadable:
        raise ValueError(_why_unreadable(unreadable, payload)) from unreadable


class _CannotBePayload(ValueError):
    """A type cannot be a payload. The message is the reason."""


def _read_shape(payload: Any) -> Payload:
    shape = inspect.type_info(payload)
    schema = _plain(msgspec.json.schema(payload))
    decode: Callable[[bytes | str], Any] = msgspec.json.Decoder(payload).decode
    if not _may_be_object(shape):
        raise _CannotBePayload(NO_OBJECT)
    classes = list(_classes(shape))
    if any(isinstance(each, inspect.DataclassType) for each in classes):
        decode = _completing(decode)
    for each in classes:
        if wrong := _class_fault(each):
            raise _CannotBePayload(wrong)
    return Payload(payload, decode, schema, any(map(_runs_code, classes)))


def _completing(decode: Callable[[bytes | str], Any]) -> Callable[[bytes | str], Any]:
    def decode_and_complete(text: bytes | str) -> Any:
        read = decode(text)
        _complete_all(read)
        return read

    return decode_and_complete


def _complete_all(value: Any) -> None:
    """Complete all dataclasses in a payload."""
    if isinstance(value, dict):
        members: Iterable[Any] = value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        members = value
    elif isinstance(value, msgspec.Struct):
        members = [getattr(value, name) for name in value.__struct_fields__]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        complete(value)
        members = [getattr(value, each.name) for each in dataclasses.fields(value)]
    else:
        return
    for each in members:
        _complete_all(each)


def complete(instance: Any) -> None:
    """Store the defaults of a dataclass in its instance, as its `__init__` does. msgspec does not call it.

    Otherwise `vars`, and msgspec when it encodes the instance, would omit them.
    """
    held = getattr(instance, "__dict__", None)
    if held is not None:
        for each in dataclasses.fields(instance):
            if each.name not in held and each.default is not dataclasses.MISSING:
                with suppress(AttributeError):  # a property has the name
                    object.__setattr__(instance, each.name, getattr(instance, each.name))


def _read_model(model: Any) -> Payload:
    """Examine a model of pydantic, and resolve annotations that pydantic has deferred."""
    schema = _plain(model.model_json_schema())
    model.model_rebuild()
    if schema.get("type", "object") != "object":  # a RootModel
        raise _CannotBePayload(NO_OBJECT)
    return Payload(model, lambda text: _by_model(model.model_validate_json, text), schema, runs_code=True)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of plain JSON values, so that answers with it can always be encoded."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    return plain


def _why_unreadable(error: Exception, payload: Any) -> str:
    reason = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if is_model(payload):
        return f"pydantic cannot read it: {reason}"
    if found := CUSTOM_TYPE.search(reason):
        hint = ", for which `Any` is the annotation" if found[1] == "<class 'object'>" else ""
        return f"msgspec cannot read it: JSON has no {found[1]}{hint}"
    return f"msgspec cannot read it: {reason or type(error).__name__}"


def is_model(payload: Any) -> bool:
    """Return whether a type is a pydantic model."""
    return isinstance(payload, type) and all(hasattr(payload, each) for each in ("model_validate", "model_json_schema"))


def _by_model(validate: Callable[[Any], Any], value: Any) -> Any:
    """Validate with a model of pydantic; raise its first error as a ValidationError of msgspec."""
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


def _classes(shape: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield the descriptions of all classes and fields in a type, each once. Types may contain themselves."""
    seen = set() if seen is None else seen
    if id(shape) in seen:
        return
    seen.add(id(shape))
    if isinstance(shape, list | tuple):
        for each in shape:
            yield from _classes(each, seen)
    elif isinstance(shape, msgspec.Struct):
        yield shape
        for name in shape.__struct_fields__:
            yield from _classes(getattr(shape, name), seen)


def _class_fault(described: Any) -> str | None:
    """Return why decoded instances of a class would differ from what its author expects; None if they would not."""
    cls: Any = getattr(described, "cls", None)
    check = getattr(cls, "__post_init__", None)
    if inspect_function.iscoroutinefunction(check):
        return f"{cls.__name__} has an `async def __post_init__`, which is not awaited"
    if check is not None and len(inspect_function.signature(check).parameters) != 1:
        return f"the `__post_init__` of {cls.__name__} takes more than `self`"
    return _dataclass_fault(cls) if isinstance(described, inspect.DataclassType) else None


def _dataclass_fault(cls: Any) -> str | None:
    if not hasattr(cls, "__dataclass_fields__"):  # one of attrs
        return None
    if hasattr(cls, "__pydantic_validator__"):
        return f"the dataclass {cls.__name__} is one of pydantic, whose rules are applied in its models only"
    if any(not each.init for each in dataclasses.fields(cls)):
        return f"the dataclass {cls.__name__} has a field with `init=False`, which would be read from JSON, too"
    code = getattr(cls.__init__, "__code__", None)
    if code is None or code.co_filename != GENERATED:
        return f"the dataclass {cls.__name__} has an `__init__` of its own, which is not called: use `__post_init__`"
    return None


def _runs_code(described: Any) -> bool:
    """Return whether reading an instance runs code that the user has written."""
    if isinstance(described, inspect.Field):
        return described.default_factory not in {msgspec.NODEFAULT, list, dict, set, bytearray}
    if isinstance(described, inspect.StrType):
        return described.pattern is not None  # a regular expression can take extremely long
    cls = getattr(described, "cls", None)
    if isinstance(described, inspect.EnumType):
        return cls._missing_.__func__ is not Enum._missing_.__func__  # type: ignore[union-attr, attr-defined]
    return any(hasattr(cls, name) for name in ("__post_init__", "__attrs_post_init__", "__attrs_attrs__"))

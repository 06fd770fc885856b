"""Other spellings of the fields of a body, as serializers write them by default. Each is unambiguous.

| written | by | read as |
|---|---|---|
| `"timeout_s": null` | Jackson, System.Text.Json, Go | the field is absent, if it is optional |
| `"executeAt"`, `"ExecuteAt"` | Jackson; System.Text.Json and Newtonsoft | `execute_at` |
| `"payload": []` | PHP, which has one kind of array | `{}` |
| `"max_attempts": 3.0` | languages whose only numbers are floats | 3 |

The values inside a payload or a result belong to the user and are never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect

if TYPE_CHECKING:
    from app.api.reading.field_errors import FieldErrors


@dataclass(frozen=True, slots=True)
class FieldKind:
    """The kind of a field of a shape: an open object, an integer or an instant; the shape of a nested object."""

    required: bool
    takes_object: bool
    takes_integer: bool
    takes_instant: bool
    shape: type[msgspec.Struct] | None


def respell(sent: dict[str, Any], shape: type[msgspec.Struct], errors: FieldErrors | None = None) -> dict[str, Any]:
    """Return a body with the canonical spelling of its fields. `errors` reports faults under the names that were sent.

    A name that is unknown, or whose canonical name was also sent, is kept, and refused later.
    """
    kinds, names = kinds_of(shape), _names(shape)
    respelled: dict[str, Any] = {}
    for given, value in sent.items():
        name = given if given in kinds else names.get(_folded(given), given)
        if name != given:
            if name in sent or name in respelled:
                name = given
            elif errors:
                errors.sent.setdefault(name, given)
        kind = kinds.get(name)
        if kind is None or value is not None or kind.required:
            respelled[name] = _value(value, kind) if kind else value
    return respelled


def member(sent: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    """Return whether a body has this member under any spelling of its name, and its value."""
    if name in sent:
        return True, sent[name]
    return next(((True, value) for given, value in sent.items() if _folded(given) == _folded(name)), (False, None))


@cache
def kinds_of(shape: type[msgspec.Struct]) -> dict[str, FieldKind]:
    """Return the kind of each field of a shape, by name."""
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)  # noqa: S101  # of a Struct
    return {field.encode_name: _kind(field) for field in info.fields}


def _value(value: Any, kind: FieldKind) -> Any:
    if kind.takes_object and value == [] and isinstance(value, list):
        return {}
    if kind.takes_integer and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind.shape and isinstance(value, dict):
        return respell(value, kind.shape)
    return value


def _kind(field: inspect.Field) -> FieldKind:
    types = list(_alternatives(field.type))
    bare = [each.type if isinstance(each, inspect.Metadata) else each for each in types]
    schemas = [each.extra_json_schema or {} for each in types if isinstance(each, inspect.Metadata)]
    return FieldKind(
        required=field.required,
        takes_object=any(isinstance(each, inspect.DictType) for each in bare),
        takes_integer=any(isinstance(each, inspect.IntType) for each in bare),
        takes_instant=any(each.get("format") == "date-time" for each in schemas),
        shape=next((each.cls for each in bare if isinstance(each, inspect.StructType)), None),
    )


def _alternatives(found: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types of a union, or the type itself."""
    plain = found.type if isinstance(found, inspect.Metadata) else found
    if isinstance(plain, inspect.UnionType):
        for each in plain.types:
            yield from _alternatives(each)
    else:
        yield found


@cache
def _names(shape: type[msgspec.Struct]) -> dict[str, str]:
    return {_folded(name): name for name in kinds_of(shape)}


def _folded(name: str) -> str:
    return name.replace("_", "").lower()

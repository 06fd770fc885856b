"""Encodes results of handlers as JSON that readers decode to an equal value, or returns why that is impossible."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import orjson

from app.task import MAX_RESULT_BYTES
from punctual.payload import complete
from workers.pool.protocol import Failure

NOTHING = "null"
LONG_NUMBER = re.compile(rb"\d{19}")
MAX_MESSAGE = 2000
BAD_IN_JSONB = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}"})
MAX_PLACE = 200
PLAIN = {str, int, bool, type(None)}
REFUSED = (set, frozenset, bytes, bytearray, memoryview)
AS_TEXT = (Decimal, UUID, date, time, timedelta)
SUBCLASSES: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
)
REMEDIES = {
    "set": "Return a list, as from `sorted(...)`",
    "frozenset": "Return a list, as from `sorted(...)`",
    "bytes": "Return text, as from `base64.b64encode(...).decode()`",
    "bytearray": "Return text, as from `base64.b64encode(...).decode()`",
    "memoryview": "Return text, as from `base64.b64encode(...).decode()`",
    "generator": "Return a list, as from `list(...)`",
    "coroutine": "Await it, as with `asyncio.run(...)`",
}


class BadResult(ValueError):
    """A value that JSON cannot express; the message names its place and what to return instead."""


def encode(result: Any) -> str | Failure:
    """Return a result as JSON text, or why that is impossible. No result makes it raise an exception."""
    if result is None:
        return NOTHING
    try:
        return _encode(result)
    except BadResult as wrong:
        reason = str(wrong)
    except RecursionError:
        reason = "The result contains itself, or is nested too deeply."
    except UnicodeEncodeError:
        reason = "A text in the result contains half a surrogate pair, which UTF-8 cannot express."
    except BaseException as error:  # noqa: BLE001  # code of the user's classes may raise anything
        reason = f"The result cannot be written as JSON: {type(error).__name__}."
    return Failure("bad_result", storable(reason))


def storable(text: str) -> str:
    """Return the first MAX_MESSAGE characters of a message, without those that UTF-8 or Postgres cannot store."""
    return text[:MAX_MESSAGE].encode("utf-8", "replace").decode().translate(BAD_IN_JSONB)


def _encode(result: Any) -> str | Failure:
    """Encode, read back and compare. Only a result that is read back as another value is examined in Python."""
    try:
        text = ENCODE(result)
    except (TypeError, ValueError, RecursionError):
        _check(result, "result")  # raises an error that names the place
        raise
    if len(text) > MAX_RESULT_BYTES:
        return Failure("result_too_large", f"The result is {len(text)} bytes; at most {MAX_RESULT_BYTES}.")
    _check_text(text)
    if not _is_read_back(text, result):
        _check(result, "result")
        text = ENCODE(result)  # `_check` has completed dataclasses
    return text.decode()


def _check_text(text: bytes) -> None:
    if LONG_NUMBER.search(text):
        json.loads(text, parse_int=_whole_number)


def _is_read_back(text: bytes, result: Any) -> bool:
    """Return whether a reader gets an equal value.

    Raises:
        BadResult: orjson refuses the text, because it is nested too deeply or not JSON (from a `msgspec.Raw`).
    """
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError as refused:
        raise BadResult(f"The result is nested too deeply, or is not JSON: {refused}.") from None
    try:
        return bool(read == result)
    except Exception:  # noqa: BLE001  # such as an array, whose comparison has no truth value
        return False


def _check(value: Any, place: str) -> None:
    """Raise BadResult at the first value for which docs/task-types.md documents no conversion."""
    if type(value) in PLAIN:
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise BadResult(f"{_short(place)} is {float(value)}, which JSON cannot express. Return None or a text.")
    if isinstance(value, REFUSED):  # msgspec would encode them
        raise _inexpressible(value, place)
    if isinstance(value, dict):
        _check_keys(value, place)
    elif isinstance(value, msgspec.Raw):
        json.loads(bytes(value), object_pairs_hook=lambda pairs: _distinct(pairs, place))
    elif not isinstance(value, (*AS_TEXT, float, list, tuple, Enum)) and not _has_fields(value):
        _check(_convert(value, place), place)
    for step, inner in _members(value):
        if type(inner) not in PLAIN:
            _check(inner, f"{place}[{step}]" if isinstance(value, list | tuple) else f"{place}.{step}".rstrip("."))


def _check_keys(value: dict[Any, Any], place: str) -> None:
    if all(type(key) is str for key in value):
        return
    written: set[bytes] = set()
    for key in value:
        if not isinstance(key, (str, int, float, *AS_TEXT, Enum)) or isinstance(key, bool):
            raise BadResult(f"{_short(place)} has a key that is a {_name(key)}. Use texts as keys.")
        if isinstance(key, float) and not math.isfinite(key):
            raise BadResult(f"{_short(place)} has the key {float(key)}, which JSON cannot express. Use texts as keys.")
        text = ENCODE({key: None})
        if text in written:
            raise BadResult(f"{_short(place)} has two keys that are the same text in JSON: {key!r:.100}. Rename one.")
        written.add(text)


def _distinct(pairs: list[tuple[str, Any]], place: str) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise BadResult(f"{_short(place)} is JSON in which a key is repeated. Rename one.")
    return read


def _members(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return the values inside a value, each with its key, its index or the name of its field."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list | tuple):
        return enumerate(value)
    if isinstance(value, Enum):
        return [("", value.value)]
    return [(name, getattr(value, name)) for name in _fields(value) if hasattr(value, name)]


def _has_fields(value: Any) -> bool:
    if isinstance(value, type):
        return False
    return isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value) or hasattr(value, "__attrs_attrs__")


def _fields(value: Any) -> list[str]:
    if not _has_fields(value):
        return []
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        return [name for name in names if getattr(value, name, None) is not msgspec.UNSET]
    if not dataclasses.is_dataclass(value):
        return [each.name for each in value.__attrs_attrs__]
    complete(value)
    return [each.name for each in dataclasses.fields(value)]


def _convert(value: Any, place: str = "A part of the result") -> object:
    """Convert a value that msgspec cannot encode to an equivalent that it can encode.

    Raises:
        BadResult: there is no equivalent.
    """
    for base, exact in SUBCLASSES:
        if isinstance(value, base):
            return exact(value)
    if _is_numpy(value):
        return value.tolist()
    if isinstance(getattr(type(value), "model_fields", None), dict):  # a model of pydantic
        return value.model_dump()
    raise _inexpressible(value, place)


def _inexpressible(value: Any, place: str) -> BadResult:
    name = _name(value)
    remedy = REMEDIES.get(name, "Return dicts, lists, texts, numbers, booleans and None")
    return BadResult(f"{_short(place)} is a {name}, which JSON cannot express. {remedy}.")


def _name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is_numpy(value: Any) -> bool:
    """Return whether a value is an array or a scalar of numpy whose elements are exactly those of Python's lists."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray | numpy.generic):
        return False
    kind = value.dtype
    return kind.kind in "biuU" or (kind.kind == "f" and kind.itemsize <= 8)  # noqa: PLR2004  # a float has 8 bytes


def _whole_number(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise BadResult("The result contains an integer beyond 64 bits. Return it as text.")
    return number


def _short(place: str) -> str:
    return place if len(place) <= MAX_PLACE else f"{place[:MAX_PLACE]}…"


ENCODE = msgspec.json.Encoder(enc_hook=_convert).encode

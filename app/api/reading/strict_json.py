"""Strict JSON. Refuses, with its place, what other parsers read differently or Postgres cannot store."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from app.errors import InvalidInput, NotJson

MAX_DEPTH = 32
MAX_VALUES = 400_000
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
MAX_DIGITS = len(str(MIN_INTEGER))
MAX_PLACE = 100
MEDIA = re.compile(r"application/(vnd\.[a-z0-9.+_-]+\+)?json")  # RFC 6839: `+json` is JSON
UTF_8 = {"", "charset=utf-8", "charset=utf8"}
UTF_8_MARK = b"\xef\xbb\xbf"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
KINDS = {list: "an array", str: "text", int: "a number", float: "a number", bool: "a boolean", type(None): "null"}
Invalid = Callable[..., "InvalidValue"]


def is_json(content_type: str) -> bool:
    """Return whether a Content-Type is JSON in UTF-8."""
    if content_type == "application/json":
        return True
    media, *parameters = content_type.lower().replace(" ", "").replace('"', "").split(";")
    return MEDIA.fullmatch(media) is not None and set(parameters) <= UTF_8


def read_object(raw: bytes) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        NotJson: it is not UTF-8, or not JSON; NaN and Infinity are not JSON.
        InvalidInput: duplicate names, numbers beyond 64 bits, NUL, lone surrogates, too deep, not an object; the place
            is named.
    """
    if len(raw) > MAX_VALUES and sum(map(raw.count, (b"[", b"{", b","))) > MAX_VALUES:
        raise InvalidInput(fields={"body": f"At most {MAX_VALUES} values."})  # seconds of work, however few bytes
    raw = raw.removeprefix(UTF_8_MARK)  # RFC 8259: a reader may ignore it
    try:
        try:
            value = DECODER.decode(raw.decode())
        except _InvalidValueFound:
            _refuse_invalid_values(LOCATOR.decode(raw.decode()))
            raise InvalidInput from None
    except RecursionError:
        raise InvalidInput(fields={"body": f"Nested deeper than {MAX_DEPTH} levels."}) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as wrong:
        raise NotJson(_syntax_fault(raw, wrong)) from None
    if not isinstance(value, dict):
        raise InvalidInput(fields={"body": _wrong_kind(value)})
    # Invalid text needs an escape and depth needs brackets, so most bodies are not walked.
    if b"\\u" in raw or (raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _is_deep(value)):
        _refuse_invalid_values(value)
    return value


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """A marker for a value that is JSON and cannot be stored. `name` is its invalid member."""

    message: str
    name: str = ""


class _InvalidValueFound(Exception):
    """The text has an invalid value. It is decoded once more to find the place."""


def _syntax_fault(raw: bytes, wrong: UnicodeDecodeError | json.JSONDecodeError) -> str:
    if raw.startswith(UTF_16_MARKS) or b"\0" in raw[:4]:
        return "The body is in UTF-16 or UTF-32. Send JSON in UTF-8."
    if isinstance(wrong, UnicodeDecodeError):
        return "The body is not UTF-8."
    if not raw.strip():
        return "The body is empty. Send a JSON object."
    return f"Not JSON at line {wrong.lineno}, column {wrong.colno}."


def _wrong_kind(value: Any) -> str:
    if isinstance(value, InvalidValue):
        return "Must be a JSON object."
    twice = " Was it encoded twice?" if isinstance(value, str) else ""
    return f"Must be a JSON object, not {KINDS[type(value)]}.{twice}"


def _refuse_invalid_values(value: Any) -> None:
    if found := _find_invalid(value):
        place, message = found
        raise InvalidInput(fields={place: message})


def _find_invalid(value: Any, place: str = "", depth: int = 1) -> tuple[str, str] | None:
    """Return the place and the message of the first invalid value, text or depth."""
    if isinstance(value, InvalidValue):
        return _at(_join(place, value.name), value.message)
    if isinstance(value, str):
        return _at(place, "Contains a NUL character or half a surrogate pair.") if _is_invalid(value) else None
    if isinstance(value, dict | list) and depth > MAX_DEPTH:
        return _at(place, f"Nested deeper than {MAX_DEPTH} levels.")
    for inner_place, name, inner in _members(value, place):
        if _is_invalid(name):
            return _at(inner_place, "The name contains a NUL character or half a surrogate pair.")
        if found := _find_invalid(inner, inner_place, depth + 1):
            return found
    return None


def _members(value: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the name (empty in a list) and the value of each member."""
    if isinstance(value, dict):
        yield from ((_join(place, name), name, inner) for name, inner in value.items())
    elif isinstance(value, list):
        yield from ((f"{place}[{number}]", "", inner) for number, inner in enumerate(value))


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place and name else place or name


def _at(place: str, message: str) -> tuple[str, str]:
    return place[:MAX_PLACE] or "body", message


def _is_invalid(text: str) -> bool:
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def _is_deep(value: Any, left: int = MAX_DEPTH) -> bool:
    inner = value.values() if value.__class__ is dict else value
    return left == 0 or any(
        _is_deep(each, left - 1) for each in inner if each.__class__ is dict or each.__class__ is list
    )


# In these hooks `invalid` makes what takes the place of an invalid value, or raises to end the decoding.


def _pairs(invalid: Invalid, pairs: list[tuple[str, Any]]) -> Any:
    read = dict(pairs)
    if len(read) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return invalid("Given twice.", twice)
    return read


def _integer(invalid: Invalid, text: str) -> Any:
    if len(text) <= MAX_DIGITS and MIN_INTEGER <= (number := int(text)) <= MAX_INTEGER:
        return number
    return invalid("An integer must fit into 64 bits.")


def _fraction(invalid: Invalid, text: str) -> Any:
    number = float(text)
    return number if math.isfinite(number) else invalid("The number is too large.")


def _constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON. Send null, or omit the value.")


def _stop(*_: str) -> NoReturn:
    raise _InvalidValueFound


def _decoder(invalid: Invalid) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=partial(_pairs, invalid),
        parse_int=partial(_integer, invalid),
        parse_float=partial(_fraction, invalid),
        parse_constant=_constant,
    )


DECODER, LOCATOR = _decoder(_stop), _decoder(InvalidValue)

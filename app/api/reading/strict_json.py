"""JSON as other systems understand it: what they would read differently, or could not store, is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from app.errors import InvalidInput, NotJson

DEEPEST = 32
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
LONGEST_INTEGER = len(str(SMALLEST_INTEGER))
SHOWN = 100


def read_object(raw: bytes) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        NotJson: not UTF-8, not JSON; NaN and Infinity are not JSON.
        InvalidInput: duplicate names, numbers beyond 64 bit, NUL, lone surrogates, too deep, not an object.
    """
    try:
        value = DECODER.decode(raw.decode("utf-8"))
    except RecursionError:
        raise InvalidInput(f"Nested deeper than {DEEPEST} levels.") from None
    except ValueError as wrong:
        raise NotJson(_where(wrong)) from None
    if not isinstance(value, dict):
        raise InvalidInput("The body must be a JSON object.")
    # Both can only be there if the text says so: most bodies are spared the walk.
    if b"\\u" in raw or raw.count(b"{") + raw.count(b"[") > DEEPEST:
        _inspect(value, 1)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidInput(fields={twice[:SHOWN]: "Given twice."})
    return read


def _integer(text: str) -> int:
    if len(text) <= LONGEST_INTEGER and SMALLEST_INTEGER <= (number := int(text)) <= LARGEST_INTEGER:
        return number
    raise InvalidInput(f"An integer does not fit into 64 bits: {text[:SHOWN]}")


def _fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidInput(f"A number is too large: {text[:SHOWN]}")
    return number


def _constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON.")


def _inspect(value: Any, depth: int) -> None:
    if depth > DEEPEST and isinstance(value, (dict, list)):
        raise InvalidInput(f"Nested deeper than {DEEPEST} levels.")
    if isinstance(value, str):
        _inspect_text(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _inspect_text(name)
            _inspect(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _inspect(inner, depth + 1)


def _inspect_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput("A text contains a NUL character or half a surrogate pair.")


def _where(wrong: ValueError) -> str:
    if isinstance(wrong, json.JSONDecodeError):
        return f"Not JSON at line {wrong.lineno}, column {wrong.colno}."
    return "The body is not UTF-8."


DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)

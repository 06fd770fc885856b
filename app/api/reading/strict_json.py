"""JSON as other systems understand it: what they would read differently, or could not store, is refused."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

from app.api.reading.misfits import Misfit, find_misfit
from app.errors import InvalidInput, NotJson

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = 32
MOST_PARTS = 400_000
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
LONGEST_INTEGER = len(str(SMALLEST_INTEGER))


def read_object(raw: bytes) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        NotJson: not UTF-8, not JSON; NaN and Infinity are not JSON.
        InvalidInput: duplicate names, numbers beyond 64 bit, NUL, lone surrogates, too deep, not an object; says where.
    """
    if len(raw) > MOST_PARTS and sum(map(raw.count, (b"[", b"{", b","))) > MOST_PARTS:
        raise InvalidInput(fields={"body": f"At most {MOST_PARTS} values."})  # seconds of work, however few bytes
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise NotJson("The body is not UTF-8.") from None
    try:
        value = _decode(DECODER, text)
    except _MisfitFound:
        _refuse_misfits(_decode(FINDER, text))
        raise InvalidInput from None
    if not isinstance(value, dict):
        raise InvalidInput(fields={"body": "Must be a JSON object."})
    # Neither broken texts nor depth can be there unless the bytes say so: most bodies are spared the walk.
    if b"\\u" in raw or (raw.count(b"{") + raw.count(b"[") > DEEPEST and _is_deep(value)):
        _refuse_misfits(value)
    return value


def _is_deep(value: Any, left: int = DEEPEST) -> bool:
    inner = value.values() if value.__class__ is dict else value
    return left == 0 or any(
        _is_deep(each, left - 1) for each in inner if each.__class__ is dict or each.__class__ is list
    )


class _MisfitFound(Exception):
    """Something is there that cannot be kept: read once more, to say where."""


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except RecursionError:
        raise InvalidInput(fields={"body": f"Nested deeper than {DEEPEST} levels."}) from None
    except json.JSONDecodeError as wrong:
        raise NotJson(f"Not JSON at line {wrong.lineno}, column {wrong.colno}.") from None


def _refuse_misfits(value: Any) -> None:
    if found := find_misfit(value, deepest=DEEPEST):
        place, message = found
        raise InvalidInput(fields={place: message})


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    read = dict(pairs)
    if len(read) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return Misfit("Given twice.", name=twice)
    return read


def _integer(text: str) -> Any:
    if len(text) <= LONGEST_INTEGER and SMALLEST_INTEGER <= (number := int(text)) <= LARGEST_INTEGER:
        return number
    return Misfit("An integer must fit into 64 bits.")


def _fraction(text: str) -> Any:
    number = float(text)
    return number if math.isfinite(number) else Misfit("The number is too large.")


def _constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON.")


def _strictly(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(given: Any) -> Any:
        value = hook(given)
        if value.__class__ is Misfit:
            raise _MisfitFound
        return value

    return read


DECODER = json.JSONDecoder(
    object_pairs_hook=_strictly(_pairs),
    parse_int=_strictly(_integer),
    parse_float=_strictly(_fraction),
    parse_constant=_constant,
)
FINDER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer, parse_float=_fraction, parse_constant=_constant)

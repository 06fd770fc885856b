"""Results: each value is kept as every JSON reader reads it, converted as documented, or refused with its place."""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict, UserDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pydantic
import pytest

from app.task import MAX_RESULT_BYTES
from workers.pool.protocol import Failure, encode_events
from workers.pool.result import MAX_MESSAGE, encode


class Colour(Enum):
    """Names."""

    RED = "red"
    SIZES = (1, 2)


class Level(IntEnum):
    """Numbers."""

    HIGH = 3


class Word(StrEnum):
    """Texts."""

    YES = "yes"


class Text(str):
    """A text with a class of its own."""

    __slots__ = ()


class Whole(int):
    """A number with a class of its own."""


class Box(msgspec.Struct):
    """Holds anything."""

    inside: Any


class Model(pydantic.BaseModel):
    """A model of pydantic."""

    inside: Any = None
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Pair:
    """Holds two things."""

    left: Any
    right: Any = None


class Point(NamedTuple):
    """Two numbers."""

    x: int
    y: int


class Slots:
    """A class that JSON cannot express."""

    __slots__ = ("inside",)


class Stubborn:
    """A class whose instances cannot be compared, encoded or inspected."""

    def __eq__(self, _: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, _: str) -> Any:
        raise SystemExit


async def asynchronous() -> None: ...


def generator() -> Iterator[int]:
    yield 1


def itself() -> list[Any]:
    holder: list[Any] = []
    holder.append({"again": holder})
    return holder


AN_ID = UUID(int=1)
KEPT: list[tuple[Any, str]] = [
    (None, "null"),
    (True, "true"),
    (-0.0, "-0.0"),
    (1.0, "1.0"),
    (0.1 + 0.2, "0.30000000000000004"),
    (1e16, "1e16"),
    (1e300, "1e300"),
    (2**64 - 1, "18446744073709551615"),
    (-(2**63), "-9223372036854775808"),
    ("9" * 30, f'"{"9" * 30}"'),
    ("\\u0000", r'"\\u0000"'),
    ("a\0b", r'"a\u0000b"'),
    ("é\u2028\U0001f600", '"é\u2028\U0001f600"'),
    ({"z": 1, "a": {"b": [1, 1.0, "1"]}}, '{"z":1,"a":{"b":[1,1.0,"1"]}}'),
    ((1, (2,)), "[1,[2]]"),
    (Point(1, 2), "[1,2]"),
    (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
    (defaultdict(int, a=1), '{"a":1}'),
    (Counter("aab"), '{"a":2,"b":1}'),
    ({1: "a", 2: "b"}, '{"1":"a","2":"b"}'),
    ({1.5: "a"}, '{"1.5":"a"}'),
    ({AN_ID: 1, date(2026, 1, 2): 2, Colour.RED: 3}, f'{{"{AN_ID}":1,"2026-01-02":2,"red":3}}'),
    ([Colour.RED, Colour.SIZES, Level.HIGH, Word.YES], '["red",[1,2],3,"yes"]'),
    (Decimal("1.10"), '"1.10"'),
    (AN_ID, f'"{AN_ID}"'),
    (datetime(2026, 1, 2, 3, tzinfo=UTC), '"2026-01-02T03:00:00Z"'),
    ([date(2026, 1, 2), time(3), timedelta(seconds=1.5)], '["2026-01-02","03:00:00","PT1.5S"]'),
    (Box({"a": Pair(1, (2,))}), '{"inside":{"a":{"left":1,"right":[2]}}}'),
    (Box(msgspec.UNSET), "{}"),
    (Model(inside=[1]), '{"inside":[1],"at":"2026-01-01T00:00:00Z"}'),
    ({"text": Text("a"), "whole": Whole(3)}, '{"text":"a","whole":3}'),
    (msgspec.Raw(b'{"a":1}'), '{"a":1}'),
]  # fmt: skip

REFUSED: list[tuple[Any, str]] = [
    (math.nan, "^result is nan, which JSON cannot express"),
    ({"a": [1, {"b": math.inf}]}, r"^result\.a\[1\]\.b is inf"),
    ((1.0, -math.inf), r"^result\[1\] is -inf"),
    (Box(math.nan), r"^result\.inside is nan"),
    (Pair(1, Pair({"x": math.nan})), r"^result\.right\.left\.x is nan"),
    ({1: "a", "1": "b"}, "two keys that are the same text in JSON: '1'"),
    ({"deep": [{AN_ID: 1, str(AN_ID): 2}]}, r"^result\.deep\[0\] has two keys"),
    ({None: 1}, "a key that is a NoneType. Use texts as keys"),
    ({True: 1}, "a key that is a bool"),
    ({(1, 2): 1}, "a key that is a tuple"),
    ({b"a": 1}, "a key that is a bytes"),
    ({math.nan: 1}, "the key nan"),
    ({1}, r"^result is a set, .* Return a list, as from `sorted"),
    ({"a": frozenset()}, r"^result\.a is a frozenset"),
    (b"a", r"^result is a bytes, .*base64"),
    ([bytearray(b"a"), memoryview(b"a")], r"^result\[0\] is a bytearray"),
    (Model(inside={1}), r"^result\.inside is a set"),
    (Path("/tmp"), "is a pathlib"),
    (1j, "is a complex"),
    (Fraction(1, 2), r"is a fractions\.Fraction"),
    (deque([1]), r"is a collections\.deque"),
    (UserDict(a=1), r"is a collections\.UserDict"),
    (MappingProxyType({"a": 1}), "is a mappingproxy"),
    (range(3), "is a range"),
    ({}.keys(), "is a dict_keys"),
    (map(int, []), "is a map"),
    (generator(), r"^result is a generator, .* as from `list\(...\)`"),
    ({"a": (each for each in "")}, r"^result\.a is a generator"),
    (object(), "is a object"),
    (int, "is a type"),
    (ValueError("x"), "is a ValueError"),
    (Slots(), "Slots, which JSON cannot express"),
    (Stubborn(), "."),
    ([1, Stubborn()], "."),
    (..., "is a ellipsis"),
    (msgspec.UNSET, "UnsetType"),
    (2**64, "beyond 64 bits. Return it as text"),
    ({"a": [-(2**63) - 1]}, "beyond 64 bits"),
    (10**400, "beyond 64 bits"),
    (10**5000, "ValueError"),
    ("\ud800", "half a surrogate pair"),
    ({"\udfff": {1}}, "."),
    (itself(), "contains itself"),
    (msgspec.Raw(b"[" * 2000 + b"]" * 2000), "nested too deeply"),
    (msgspec.Raw(b"[1"), "not JSON"),
    (msgspec.Raw(b'{"a": 1, "a": 2}'), "a key is repeated"),
    ({"k" * 5000: {1}}, "is a set"),
]  # fmt: skip


@pytest.mark.parametrize(("returned", "text"), KEPT, ids=lambda value: str(type(value).__name__))
def test_a_result_is_kept_or_converted_as_documented(returned: Any, text: str) -> None:
    assert encode(returned) == text


@pytest.mark.parametrize(("returned", "message"), REFUSED, ids=lambda value: str(type(value).__name__))
def test_a_result_that_json_cannot_express_is_refused_with_a_sentence(returned: Any, message: str) -> None:
    outcome = encode(returned)
    assert isinstance(outcome, Failure), outcome
    assert outcome.type == "bad_result"
    assert re.search(message, outcome.message), outcome.message
    assert len(outcome.message) <= MAX_MESSAGE
    assert encode_events([outcome])  # type: ignore[list-item]  # it can be sent to the worker


def test_a_coroutine_is_no_result() -> None:
    waiting = asynchronous()
    outcome = encode(waiting)
    waiting.close()
    assert isinstance(outcome, Failure)
    assert "Await it, as with `asyncio.run(...)`" in outcome.message


@pytest.mark.parametrize("size", [MAX_RESULT_BYTES - 2, MAX_RESULT_BYTES - 1])
def test_a_result_is_kept_up_to_the_maximum_size(size: int) -> None:
    outcome = encode("x" * size)
    assert (outcome if isinstance(outcome, str) else outcome.type) in {f'"{"x" * size}"', "result_too_large"}
    assert isinstance(outcome, str) == (size + 2 <= MAX_RESULT_BYTES)


def test_numbers_texts_and_arrays_of_numpy_are_those_of_python() -> None:
    np = pytest.importorskip("numpy")
    numbers = [np.int64(3), np.uint8(4), np.bool_(True), np.float64(1.5), np.float32(0.5), np.str_("x")]
    assert encode(numbers) == '[3,4,true,1.5,0.5,"x"]'
    assert encode({"grid": np.arange(4).reshape(2, 2)}) == '{"grid":[[0,1],[2,3]]}'
    for value, message in (
        (np.array([1, math.nan]), r"^result\[1\] is nan"),
        ({"a": np.float32("inf")}, r"^result\.a is inf"),
        (np.datetime64("2026-01-01"), r"is a numpy\.datetime64"),
        (np.array([1, {}], dtype=object), r"is a numpy\.ndarray"),
        (np.complex64(1), r"is a numpy\.complex64"),
        (np.longdouble(1), r"is a numpy\.longdouble"),
    ):
        outcome = encode(value)
        assert isinstance(outcome, Failure)
        assert re.search(message, outcome.message), outcome.message

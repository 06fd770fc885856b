"""JSON bodies that another reader could read differently, or that cannot be stored, are refused."""

from __future__ import annotations

import pytest

from app.api.reading.strict_json import read_object
from app.errors import InvalidInput, NotJson

NOT_JSON = (
    b"",
    b"{",
    b"nope",
    b"{'a': 1}",
    b'{"a": 1,}',
    b'{"a": 1} x',
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": -Infinity}',
    b'{"a": 01}',
    b'{"a": "\x00"}',
    b'{"a": "\xff"}',
    b'{"a": "\xed\xa0\x80"}',
    b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}',
    '{"a": 1}'.encode("utf-16"),
)
REFUSED = (
    b"[]",
    b"null",
    b'"text"',
    b"1",
    b'{"a": 1, "a": 1}',
    b'{"a": {"b": 1, "b": 2}}',
    b'{"\\ud800": 1, "\\ud800": 2}',
    b'{"a": 1e400}',
    b'{"a": -1e400}',
    b'{"a": 18446744073709551616}',
    b'{"a": -9223372036854775809}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"a": "\\u0000"}',
    b'{"a\\u0000": 1}',
    b'{"a": ["x", {"b": "\\ud800"}]}',
    b'{"\\udc00": 1}',
    b'{"a": "\\ude00\\ud83d"}',
    b'{"a": ' * 32 + b"{}" + b"}" * 32,
    b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}",
    b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
)


@pytest.mark.parametrize("raw", NOT_JSON)
def test_a_body_that_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(NotJson):
        read_object(raw)


@pytest.mark.parametrize("raw", REFUSED, ids=lambda raw: raw[:40].decode())
def test_json_that_cannot_be_stored_unchanged_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_object(raw)


def test_numbers_of_64_bits_are_read() -> None:
    read = read_object(b'{"a": [18446744073709551615, -9223372036854775808, 1e308, -0.0]}')
    assert read == {"a": [2**64 - 1, -(2**63), 1e308, -0.0]}


def test_whole_surrogate_pairs_and_escapes_are_read() -> None:
    assert read_object(b'{"a": "\\ud83d\\ude00 \\u00e9", "b": "\xc3\xa9"}') == {"a": "😀 é", "b": "é"}


def test_32_levels_are_read() -> None:
    assert read_object(b'{"a": ' + b"[" * 31 + b"]" * 31 + b"}")


def test_brackets_beside_each_other_add_no_depth() -> None:
    assert read_object(b'{"a": [' + b"[]," * 100 + b"[]]}")


def test_a_name_given_twice_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_object(b'{"type": "foo", "type": "bar"}')
    assert refused.value.details == {"fields": {"type": "Given twice."}}


PLACES = {
    b'{"a": {"b": [1, {"c": 18446744073709551616}]}}': "a.b[1].c",
    b'{"a": {"b": 1, "b": 2}}': "a.b",
    b'{"a": ["\\u0000"]}': "a[0]",
    b'{"a": {"\\u0000": 1}}': "a.\0",
    b'{"a": -1e400}': "a",
    b"[1e400]": "[0]",
    b"1e400": "body",
    b"[]": "body",
    b'{"a": 1e400, "b": ' + b"[" * 50_000 + b"]" * 50_000 + b"}": "body",
    b'{"a": {"a": 1e400, "a": 1e400}, "b": 1e400}': "a.a",
}


@pytest.mark.parametrize(("raw", "place"), PLACES.items(), ids=range(len(PLACES)))
def test_a_value_that_cannot_be_stored_is_named_by_its_place(raw: bytes, place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_object(raw)
    assert list(refused.value.details["fields"]) == [place]


def test_a_number_too_large_before_broken_json_is_not_json() -> None:
    with pytest.raises(NotJson):
        read_object(b'{"a": 1e400,')

"""Bodies that are not JSON, or JSON that cannot be stored unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.bad_input.cases import GOOD, Case, check, invalid, not_json

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine


def payload(value: bytes) -> bytes:
    """Return a valid task with this payload."""
    return b'{"type": "noop", "delay_s": 1, "payload": ' + value + b"}"


def unstorable(value: bytes, place: str) -> Case:
    """Return a case of a value in a payload, which is a 422 that names its place."""
    return invalid(f"payload.{place}", body=payload(value))


CASES = {
    "nothing": not_json(b""),
    "space": not_json(b" \n"),
    "a brace": not_json(b"{"),
    "a word": not_json(b"nope"),
    "an end too early": not_json(GOOD[:-1]),
    "an end too many": not_json(GOOD + b"}"),
    "two objects": not_json(GOOD + GOOD),
    "a comma too many": not_json(GOOD[:-1] + b",}"),
    "single quotes": not_json(b"{'type': 'noop'}"),
    "a comment": not_json(b"// hello\n" + GOOD),
    "NaN": not_json(payload(b'{"a": NaN}')),
    "Infinity": not_json(payload(b'{"a": Infinity}')),
    "-Infinity": not_json(b'{"type": "noop", "delay_s": -Infinity}'),
    "a leading zero": not_json(payload(b'{"a": 01}')),
    "a plus sign": not_json(payload(b'{"a": +1}')),
    "hexadecimal": not_json(payload(b'{"a": 0x10}')),
    "a raw NUL": not_json(payload(b'{"a": "\x00"}')),
    "a raw newline in a text": not_json(payload(b'{"a": "\n"}')),
    "bytes that are no UTF-8": not_json(payload(b'{"a": "\xff"}')),
    "an overlong NUL": not_json(payload(b'{"a": "\xc0\x80"}')),
    "a surrogate in UTF-8": not_json(payload(b'{"a": "\xed\xa0\x80"}')),
    "two byte order marks": not_json(b"\xef\xbb\xbf" * 2 + GOOD),
    "a byte order mark alone": not_json(b"\xef\xbb\xbf"),
    "UTF-16": not_json(GOOD.decode().encode("utf-16")),
    "UTF-16 without a byte order mark": not_json(GOOD.decode().encode("utf-16-be")),
    "UTF-32": not_json(GOOD.decode().encode("utf-32")),
    "gzip without saying so": not_json(b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
    "a form": not_json(b"type=noop&delay_s=1"),
    "an array": invalid("body", body=b"[" + GOOD + b"]"),
    "an empty array": invalid("body", body=b"[]"),
    "a text": invalid("body", body=b'"foo"'),
    "a number": invalid("body", body=b"1"),
    "null": invalid("body", body=b"null"),
    "true": invalid("body", body=b"true"),
    "a huge number alone": invalid("body", body=b"1e400"),
    "a name twice": invalid("type", body=b'{"type": "noop", "type": "noop", "delay_s": 1}'),
    "a name twice, escaped": invalid("type", body=b'{"type": "noop", "\\u0074ype": "noop", "delay_s": 1}'),
    "a name twice below": unstorable(b'{"a": {"b": 1, "b": 1}}', "a.b"),
    "a name twice in a list": unstorable(b'{"a": [{"b": 1, "b": 1}]}', "a[0].b"),
    "1e400": unstorable(b'{"a": 1e400}', "a"),
    "-1e400": unstorable(b'{"a": [0, -1e400]}', "a[1]"),
    "1e400 for a delay": invalid("delay_s", body=b'{"type": "noop", "delay_s": 1e400}'),
    "2^64": unstorable(b'{"a": 18446744073709551616}', "a"),
    "-2^63 - 1": unstorable(b'{"a": -9223372036854775809}', "a"),
    "6,000 digits": unstorable(b'{"a": ' + b"1" * 6000 + b"}", "a"),
    "2^64 attempts": invalid("max_attempts", body=GOOD[:-1] + b', "max_attempts": 18446744073709551616}'),
    "a NUL in a value": unstorable(b'{"a": "x\\u0000"}', "a"),
    "a NUL in a list": unstorable(b'{"a": ["", "\\u0000"]}', "a[1]"),
    "a NUL in a name": unstorable(b'{"\\u0000": 1}', "\0"),
    "a NUL in the type": invalid("type", body=b'{"type": "noop\\u0000", "delay_s": 1}'),
    "a NUL in a time": invalid("execute_at", body=b'{"type": "noop", "execute_at": "2100-01-01T00:00:00Z\\u0000"}'),
    "a NUL in an unknown name": invalid("a\0", body=b'{"type": "noop", "delay_s": 1, "a\\u0000": 1}'),
    "half a surrogate pair": unstorable(b'{"a": "\\ud800"}', "a"),
    "the other half": unstorable(b'{"a": "x\\udfff"}', "a"),
    "halves the wrong way round": unstorable(b'{"a": "\\ude00\\ud83d"}', "a"),
    "half a pair in a name": unstorable(b'{"\\udfff": 1}', "\udfff"),
    "half a pair in an unknown name": invalid("\ud800", body=b'{"type": "noop", "delay_s": 1, "\\ud800": 1}'),
    "half a pair twice": invalid("\ud800", body=b'{"\\ud800": 1, "\\ud800": 1}'),
    "33 levels": unstorable(b'{"a":' * 32 + b"1" + b"}" * 32, ".".join("a" * 31)),
    "33 levels of lists": unstorable(b'{"a": ' + b"[" * 31 + b"]" * 31 + b"}", "a" + "[0]" * 30),
    "300 levels": unstorable(b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}", "a" + "[0]" * 30),
    "60,000 levels": invalid("body", body=payload(b'{"a": ' + b"[" * 60000 + b"]" * 60000 + b"}")),
    "20,000 open objects": invalid("body", body=b'{"a":' * 20000),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_a_body_that_is_not_storable_json_is_refused(client: FlaskClient, engine: Engine, case: Case) -> None:
    check(case, client, engine)

"""Values that corrupt requests."""

from __future__ import annotations

import json
from random import Random
from typing import Any

TEXTS = (
    "", " ", "\0", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "é" * 50, "😀", "x" * 300, "x" * 70_000, "%00", "%ff",
    "%u0000", "../../etc/passwd", "' OR 1=1; --", "<script>", "{{7*7}}", "${jndi:x}", "\r\nX: y", "null",
    "NaN", "1e400",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2030-06-30T23:59:60Z", "2030-01-01T24:00:00Z",
    "2030-01-01T00:00:00.123456789Z", "2030-01-01T00:00:00", "2030-02-30T00:00:00Z", "1970-01-01T00:00:00Z",
    "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11", "00000000-0000-0000-0000-000000000000", "foo", "FOO",
    "outside", "scheduled",
)  # fmt: skip
NUMBERS = (
    0,
    -1,
    1,
    2,
    30,
    31,
    0.1,
    -0.0,
    1e-320,
    1e308,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**400,
)
LITERALS = ("NaN", "Infinity", "-Infinity", "1e400", "-1e999", "01", "1.", "1" * 5000, "tru", "'a'", "{", "[" * 2000)
NAMES = ("type", "kind", "execute_at", "time", "delay_s", "payload", "timeout_s", "max_attempts", "worker_id", "limit",
         "wait_s", "claim_token", "result", "error", "message", "id", "", "\0", "\ud800", "__proto__",
         "a.b", "x" * 200)  # fmt: skip
PARAMETERS = ("state", "status", "type", "kind", "since", "until", "q", "order", "limit", "cursor", "filter", "wait_s",
              "filters.type", "filters.status", "page", "", "a[]", "%00", "next", "user")  # fmt: skip
HEADERS = ("Content-Type", "Content-Encoding", "Prefer", "Accept", "X-Request-ID", "If-Match", "Authorization",
           "Cookie",
           "Host",            "Transfer-Encoding", "Content-Length", "Origin", "Sec-Fetch-Site", "Range",
           "Idempotency-Key", "X-Forwarded-For")  # fmt: skip
HEADER_VALUES = (
    "", "application/json", "application/json; charset=utf-16", "application/json;;;=", "text/plain", "gzip",
    "chunked",     "return=minimal", ";;=,", "Bearer", "Bearer x", "Basic Og==", "\xff\0", "bytes=0-", "a=b; c=d", "*",
    "x" * 10_000, "-1",     "99999999999999999999", "5", "null", "cross-site", "application/x-www-form-urlencoded",
    'multipart/form-data; boundary="',
)  # fmt: skip
METHODS = (
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "QUERY",
    "X" * 99,
)


def value(chance: Random, depth: int = 0) -> Any:
    """Return a random JSON value."""
    kind = chance.random()
    if kind < 0.35:
        return chance.choice(TEXTS)
    if kind < 0.6:
        return chance.choice(NUMBERS)
    if kind < 0.75 or depth > 3:
        return chance.choice((None, True, False, [], {}))
    if kind < 0.85:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind < 0.95:
        return {chance.choice(NAMES): value(chance, depth + 1) for _ in range(chance.randrange(4))}
    deep: Any = 1
    for _ in range(chance.choice((31, 32, 33, 200))):
        deep = [deep] if chance.random() < 0.5 else {"a": deep}
    return deep


def text(body: Any, chance: Random) -> bytes:
    """Return a body as JSON, sometimes with an invalid literal or a repeated name."""
    raw = json.dumps(body, ensure_ascii=chance.random() < 0.7)
    if chance.random() < 0.05:
        raw = raw.replace(":", f": {chance.choice(LITERALS)},", 1)
    if chance.random() < 0.05:
        raw = raw.replace("{", '{"type": "foo", "type": "foo",', 1)
    return raw.encode("utf-8", errors="surrogatepass")


def corrupted(raw: bytes, chance: Random) -> bytes:
    """Return the text with some bytes changed, removed, repeated or added."""
    result = bytearray(raw)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(result) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            result[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 1:
            del result[at : at + chance.randrange(1, 20)]
        elif kind == 2 and result:
            result[at % len(result)] ^= 1 << chance.randrange(8)
        elif kind == 3:
            result[at:at] = result[at : at + chance.randrange(1, 40)]
        else:
            result[at:at] = chance.choice(
                (b"\0", b"\\u0000", b"\\ud800", b"\xff", b'"', b"{", b"]", b"\\", b"\xef\xbb\xbf")
            )
    return bytes(result)

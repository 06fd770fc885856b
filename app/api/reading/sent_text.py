"""The text of a member of a request as it was sent.

Decoding and encoding a value would change it: `1e16` becomes an integer, 1.10 becomes 1.1, digits of a float are lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
import orjson
from msgspec import Raw, Struct

from app.api.reading.spellings import member

DEFAULTS = {"payload": Raw(b"{}"), "result": Raw(b"null")}


class _Members(Struct):
    payload: Raw = DEFAULTS["payload"]
    result: Raw = DEFAULTS["result"]
    tasks: list[_Members] = []


_decode = msgspec.json.Decoder(_Members).decode


def text_of(name: str, body: bytes, read: Mapping[str, Any]) -> Raw:
    """Return the text of a member. `read` is the body as decoded by `strict_json`.

    If its name has another spelling, or only `strict_json` can decode the body (such as one with a byte order mark),
    the value is encoded again.
    """
    if name in read:
        with suppress(msgspec.DecodeError):
            text: Raw = getattr(_decode(body), name)
            return text
    found, value = member(read, name)
    return Raw(orjson.dumps(value)) if found else DEFAULTS[name]


def payloads_of(body: bytes, read: Mapping[str, Any]) -> list[Raw]:
    """Return the payloads of a batch, in order. The member `tasks` of `read` is a list of objects."""
    _, tasks = member(read, "tasks")
    try:
        texts: list[Raw] | None = [each.payload for each in _decode(body).tasks]
    except msgspec.DecodeError:
        texts = None
    if texts is None or len(texts) != len(tasks):
        return [text_of("payload", b"", task) for task in tasks]
    return [
        text if "payload" in task else text_of("payload", b"", task) for text, task in zip(texts, tasks, strict=True)
    ]


def compact(text: Raw) -> bytes:
    """Return JSON without the spaces between its values, and otherwise unchanged."""
    return msgspec.json.format(bytes(text), indent=-1)

"""The messages between the pool and a slot, and their form in a pipe.

There are three pipes: chunks of claims to the slot, one token for each task of a chunk (its position), and events from
the slot. `shared.Progress` is shared memory beside them.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable

import msgspec

from app.task import Claim

LENGTH = struct.Struct(">I")
TOKEN_BYTES = 2


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """Why an attempt failed: the type of the error, and a message for people."""

    type: str
    message: str


class Ended(msgspec.Struct, tag="e", array_like=True, frozen=True):
    """A task of the chunk, named by its position, is over: its result as JSON text, or why it failed."""

    position: int
    took_ms: float
    result: str | Failure


class Done(msgspec.Struct, tag="d", array_like=True, frozen=True):
    """The chunk is over. Tasks that have not begun were withdrawn, or are not covered by the run lease."""


Event = Ended | Done

_encode = msgspec.json.Encoder().encode
_decode_lines = msgspec.json.Decoder(Event).decode_lines
encode_chunk = msgspec.msgpack.Encoder().encode
decode_chunk = msgspec.msgpack.Decoder(list[Claim]).decode


def encode_tokens(positions: Iterable[int]) -> bytes:
    """Return the tokens of these positions. Readers read whole tokens only, so a pipe gives each to one reader."""
    return array("H", positions).tobytes()


def decode_tokens(tokens: bytes) -> array[int]:
    """Return the positions of these tokens."""
    return array("H", tokens)


def decode_token(token: bytes) -> int:
    """Return the position of one token."""
    return int.from_bytes(token, sys.byteorder)


def line(event: Event) -> bytes:
    """Return an event as a line of JSON, which escapes line ends in its texts."""
    return _encode(event) + b"\n"


class LineReader:
    """Splits a stream of bytes into events. An unfinished line of a killed writer is not an event."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """Add bytes; return the events that are complete now."""
        whole, end, rest = data.rpartition(b"\n")
        if not end:
            self._rest += rest
            return []
        lines, self._rest = self._rest + whole, rest
        return _decode_lines(lines)

"""What a slot and its supervisor say to each other, and how messages stand in a pipe."""

from __future__ import annotations

import struct

import msgspec

from app.task import Claim

LENGTH = struct.Struct(">I")


class Ended(msgspec.Struct, tag="e", array_like=True, frozen=True):
    """How a task of the chunk (by position) ended: JSON text, or type and message of its error; how long it took."""

    index: int
    took_ms: float
    result: str | None
    error: tuple[str, str] | None


class Done(msgspec.Struct, tag="d", array_like=True, frozen=True):
    """The chunk is over; what had not begun was withdrawn."""


Event = Ended | Done

_encode = msgspec.json.Encoder().encode
_decode_lines = msgspec.json.Decoder(Event).decode_lines
encode_chunk = msgspec.msgpack.Encoder().encode
decode_chunk = msgspec.msgpack.Decoder(list[Claim]).decode


def line(event: Event) -> bytes:
    """An event as a line of JSON: what is in its texts is escaped, line ends too."""
    return _encode(event) + b"\n"


class LineReader:
    """Cuts a stream of bytes into events; what a killed writer left unfinished is never one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete now."""
        whole, end, rest = data.rpartition(b"\n")
        if not end:
            self._rest += rest
            return []
        lines, self._rest = self._rest + whole, rest
        return _decode_lines(lines)

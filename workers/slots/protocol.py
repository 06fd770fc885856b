"""What a slot and its supervisor say to each other, and how messages stand in a pipe."""

from __future__ import annotations

import struct

import msgspec

from app.task import Claim

LENGTH = struct.Struct(">I")


class Began(msgspec.Struct, tag="b", array_like=True, frozen=True):
    """The code of this task of the chunk (by position) begins now."""

    index: int


class Ended(msgspec.Struct, tag="e", array_like=True, frozen=True):
    """How it ended: JSON text, or the type and message of its error; and how long it took."""

    index: int
    took_ms: float
    result: str | None
    error: tuple[str, str] | None


class Done(msgspec.Struct, tag="d", array_like=True, frozen=True):
    """The chunk is over; what had not begun was withdrawn."""


Event = Began | Ended | Done

_encode = msgspec.msgpack.Encoder().encode
_decode_event = msgspec.msgpack.Decoder(Event).decode
encode_chunk = msgspec.msgpack.Encoder().encode
decode_chunk = msgspec.msgpack.Decoder(list[Claim]).decode


def frame(event: Event) -> bytes:
    """An event as bytes, its length before it."""
    body = _encode(event)
    return LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into events; what a killed writer left unfinished is never one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete now."""
        stream, at, events = self._rest + data, 0, []
        while len(stream) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(stream, at)
            end = at + LENGTH.size + length
            if len(stream) < end:
                break
            events.append(_decode_event(stream[at + LENGTH.size : end]))
            at = end
        self._rest = stream[at:]
        return events

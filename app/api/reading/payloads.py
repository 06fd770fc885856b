"""Payloads of requests: kept as the text that was sent, and checked by the function that decodes them in the worker."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from msgspec import Raw, Struct

from app.api.reading.field_errors import FieldErrors, explain, message_of
from app.api.reading.sent_text import compact
from app.errors import InvalidInput, TooBusy
from app.logs import get_logger
from punctual.handler import NO_PAYLOAD

if TYPE_CHECKING:
    from app.task_types import TaskType
    from punctual.payload import Payload

log = get_logger()

MAX_PAYLOAD_BYTES = 64 * 1024
ESCAPE = re.compile(rb"\\(?:u[0-9a-f]{4}|.)")  # counts as one byte
MAX_CHECKS = 4  # simultaneous checks of a type that run code of the user; other requests need threads, too
MAX_TURN_S = 1.0
SLOW_S = 1.0
_turns: defaultdict[str, threading.BoundedSemaphore] = defaultdict(lambda: threading.BoundedSemaphore(MAX_CHECKS))


def read_payload(
    payload: dict[str, Any], sent: Raw, kind: TaskType | None, errors: FieldErrors, *, on_loop: bool = False
) -> Raw:
    """Return the text of a payload, and add its faults to `errors`. `payload` is the decoded value of `sent`.

    Raises:
        InvalidInput: `on_loop` is true and the check runs code of the user, which could block the event loop.
        TooBusy: too many checks of this type are running.
    """
    text = compact(sent) if payload else b"{}"
    if len(text) > MAX_PAYLOAD_BYTES and len(ESCAPE.sub(b"_", orjson.dumps(payload))) > MAX_PAYLOAD_BYTES:
        errors.add("payload", f"At most {MAX_PAYLOAD_BYTES} bytes of JSON in UTF-8; an escape counts as one.")
    elif kind and kind.takes is not NO_PAYLOAD:
        if not kind.takes.runs_code:
            _check(text, payload, kind.takes, errors)
        elif on_loop:
            raise InvalidInput
        else:
            with _turn(kind.name):
                _check(text, payload, kind.takes, errors)
    return Raw(text)


@contextmanager
def _turn(name: str) -> Iterator[None]:
    if not _turns[name].acquire(timeout=MAX_TURN_S):
        raise TooBusy("Checks of payloads of this type take too long.")
    began = time.monotonic()
    try:
        yield
    finally:
        _turns[name].release()
        if (took_s := time.monotonic() - began) > SLOW_S:
            log.warning("payload_check_slow", type=name, took_s=round(took_s, 1))


def _check(text: bytes, payload: dict[str, Any], takes: Payload, errors: FieldErrors) -> None:
    try:
        takes.decode(text)
    except msgspec.ValidationError as wrong:
        _explain(wrong, payload, takes.type, errors)
    except BaseException as error:  # code of the user may raise anything
        place = _place_of_error(payload, takes.type)
        log.warning("payload_check_failed", field=place, exc_info=True)
        errors.add(place, f"The check of this type failed with {type(error).__name__}.")


def _explain(wrong: msgspec.ValidationError, payload: dict[str, Any], payload_type: Any, errors: FieldErrors) -> None:
    """Name every invalid field if the type is a Struct, otherwise the first one."""
    known = len(errors.fields)
    if isinstance(payload_type, type) and issubclass(payload_type, Struct):
        try:
            explain(wrong, payload, payload_type, errors, "payload.")
        except BaseException:  # raised by the check of another field
            log.warning("payload_check_failed", field="payload", exc_info=True)
    if len(errors.fields) == known:
        place, what = message_of(wrong)
        errors.add(f"payload.{place}".rstrip("."), what)


def _place_of_error(payload: dict[str, Any], payload_type: Any) -> str:
    """Return the field of a Struct whose check raises, by checking each field alone; `payload` if none is found."""
    if isinstance(payload_type, type) and issubclass(payload_type, Struct):
        for field in msgspec.structs.fields(payload_type):
            try:
                msgspec.convert(payload.get(field.encode_name), field.type, str_keys=True)
            except msgspec.ValidationError:
                continue
            except BaseException:  # noqa: BLE001
                return f"payload.{field.encode_name}"
    return "payload"

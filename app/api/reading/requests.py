"""Reads requests strictly: ids, bodies, and query parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from app.api.reading.aliases import rename_fields, rename_filters, sent_fields, sent_filters
from app.api.reading.field_errors import FieldErrors, NotAllowed, Shape, fit
from app.api.reading.strict_json import read_object
from app.api.shapes import LONGEST_WAIT_S
from app.errors import TaskNotFound, UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.api.reading.field_errors import Value

MOST_BODY_BYTES = 128 * 1024
LARGEST_BODY_BYTES = 512 * 1024  # of all calls but those named here
BATCH = "/tasks/batch"
LARGEST_BODIES = {BATCH: 8 * 1024 * 1024}
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


def read_id(text: str) -> UUID:
    """The id in a path; what is not a UUID names no task."""
    if not ID.fullmatch(text):
        raise TaskNotFound
    return UUID(text)


def read_body(shape: type[Shape], errors: FieldErrors, *, limit: int = MOST_BODY_BYTES) -> Shape:
    """The body in its shape, aliases resolved; wrong fields are UNSET and named in `errors`.

    Raises:
        UnsupportedMedia, BodyCutOff, BodyTooSlow, NotJson, InvalidInput, werkzeug's RequestEntityTooLarge.
    """
    return fit(rename_fields(read_json_object(errors, limit=limit)), shape, errors)


def read_whole(shape: type[Shape], *, limit: int = MOST_BODY_BYTES) -> Shape:
    """A body that the shape alone judges. Raises as `read_body`."""
    errors = FieldErrors()
    body = read_body(shape, errors, limit=limit)
    errors.refuse()
    return body


def read_json_object(errors: FieldErrors, *, limit: int = MOST_BODY_BYTES) -> dict[str, Any]:
    """The body as it was sent, of no particular shape. Raises as `read_body`."""
    if not _says_json(request.headers.get("Content-Type", "")) or "Content-Encoding" in request.headers:
        raise UnsupportedMedia
    given = read_object(_read_bytes(limit))
    errors.sent = sent_fields(given)
    return given


def refuse_parameters() -> None:
    """For calls that take no query parameters."""
    if request.query_string:
        Query(dict(request.args.lists()), (), FieldErrors()).errors.refuse()


class Query:
    """Query parameters by name; unknown names are wrong."""

    def __init__(self, given: Mapping[str, list[str]], known: tuple[str, ...], errors: FieldErrors) -> None:
        self.given = given
        self.errors = errors
        for name in given.keys() - set(known):
            errors.add(name, "Unknown parameter.")

    def one(self, name: str, reader: Callable[[str], Value], default: Any = None) -> Any:
        """The value of a parameter that may be given once."""
        values = self.given.get(name)
        if not values:
            return default
        if len(values) > 1:
            self.errors.add(name, "Given more than once.")
        return self.errors.read(name, reader, values[0])

    def many(self, name: str, reader: Callable[[str], Value]) -> tuple[Value, ...]:
        """The values of a parameter that repeats or takes commas, each once, in a fixed order."""
        words = {word for value in self.given.get(name, ()) for word in value.split(",")}
        read = [self.errors.read(name, reader, word) for word in sorted(words)]
        return tuple(dict.fromkeys(value for value in read if value is not None))


def type_reader(names: list[str]) -> Callable[[str], str]:
    """A reader of type names in any letter case."""

    def read(name: str) -> str:
        if name.lower() not in names:
            raise NotAllowed(names)
        return name.lower()

    return read


def read_wait(text: str) -> float:
    """How long the caller is willing to wait: 0 to 30 seconds."""
    if not SECONDS.fullmatch(text) or float(text) > LONGEST_WAIT_S:
        raise ValueError("Must be a number of seconds from 0 to 30.")
    return float(text)


def query(known: tuple[str, ...], errors: FieldErrors) -> Query:
    """The query parameters of this request."""
    given = dict(request.args.lists())
    errors.sent = sent_filters(given)
    return Query(rename_filters(given), known, errors)


def _read_bytes(limit: int) -> bytes:
    """The body. Werkzeug cuts a chunked one off at its limit without a word: one byte more tells."""
    request.max_content_length = limit + 1
    raw = request.get_data(cache=False)
    if len(raw) > limit:
        raise RequestEntityTooLarge
    return raw


def _says_json(content_type: str) -> bool:
    media, *parameters = content_type.lower().replace(" ", "").split(";")
    return media == "application/json" and set(parameters) <= {"", "charset=utf-8", 'charset="utf-8"'}

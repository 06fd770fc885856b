"""Reads ids, bodies, headers and query parameters of requests."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_list_header

from app.api.reading.aliases import FILTERS, rename_fields, rename_filters, sent_filters, split_words
from app.api.reading.field_errors import FieldErrors, NotAllowed, Shape, fit
from app.api.reading.sent_text import compact, text_of
from app.api.reading.strict_json import is_json, read_object
from app.api.shapes import MAX_WAIT_S
from app.errors import TaskNotFound, UnsupportedMedia

if TYPE_CHECKING:
    from app.api.reading.field_errors import Value

ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
EMPTY_FILTERS = FILTERS | {"filter": "state"}
SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


def read_id(text: str) -> UUID:
    """Read the id in a path.

    Raises:
        TaskNotFound: it is not a UUID, so there is no such task.
    """
    if not ID.fullmatch(text):
        raise TaskNotFound
    return UUID(text)


def limit_body(max_bytes: int) -> None:
    """Set how large the body of this request may be.

    Werkzeug cuts a chunked body off at its limit without an error, so its limit is one byte more.
    """
    request.max_content_length = max_bytes + 1


def read_json_bytes() -> bytes:
    """Return the body of a request that says it is JSON.

    Raises:
        UnsupportedMedia, BodyCutOff, BodyTooSlow, werkzeug's RequestEntityTooLarge.
    """
    if fault := _media_fault(request.headers.get("Content-Type", "")):
        raise UnsupportedMedia(fault)
    limit = request.max_content_length or math.inf
    if (request.content_length or 0) >= limit:
        raise RequestEntityTooLarge  # not received, as `app.api.server` decides
    body = request.get_data(cache=False)
    if len(body) >= limit:
        raise RequestEntityTooLarge
    return body


def read_body(shape: type[Shape], errors: FieldErrors) -> Shape:
    """Read the body in its shape, aliases resolved; fields that are wrong are UNSET, and named in `errors`.

    Raises:
        UnsupportedMedia, BodyCutOff, BodyTooSlow, NotJson, InvalidInput, werkzeug's RequestEntityTooLarge.
    """
    return fit(rename_fields(read_object(read_json_bytes()), errors), shape, errors)


def read_whole(shape: type[Shape]) -> Shape:
    """Read a body that its shape alone validates. Raises as `read_body`."""
    errors = FieldErrors()
    body = read_body(shape, errors)
    errors.refuse()
    return body


def read_whole_and_text(shape: type[Shape], member: str) -> tuple[Shape, bytes]:
    """Read a body as `read_whole` does. Return also the text of one of its members, without spaces."""
    errors = FieldErrors()
    body = read_json_bytes()
    sent = read_object(body)
    read = fit(rename_fields(sent, errors), shape, errors)
    errors.refuse()
    return read, compact(text_of(member, body, sent))


def prefers_minimal() -> bool:
    """Return whether the header `Prefer` (RFC 7240) of this request asks for an answer without a body."""
    return asks_for_minimal(request.headers.get("Prefer", ""))


def asks_for_minimal(prefer: str) -> bool:
    """Return whether the first `return` preference is `minimal`."""
    for preference in parse_list_header(prefer):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "return":
            return value.strip().strip('"').lower() == "minimal"
    return False


def refuse_parameters() -> None:
    """Refuse query parameters of a call that takes none."""
    if request.query_string:
        Query(dict(request.args.lists()), (), FieldErrors()).errors.refuse()


def query(known: tuple[str, ...], errors: FieldErrors) -> Query:
    """Return the query parameters of this request, with aliases resolved. An empty value counts as absent."""
    every = {name: [value for value in values if value] for name, values in request.args.lists()}
    sent = {name: values for name, values in every.items() if values}
    errors.sent = sent_filters(sent)
    empty: dict[str, list[str]] = {EMPTY_FILTERS.get(name, name): [] for name in every.keys() - sent.keys()}
    return Query(empty | rename_filters(sent), known, errors)


class Query:
    """Query parameters by name; an unknown name is an error, even with an empty value."""

    def __init__(self, sent: Mapping[str, list[str]], known: tuple[str, ...], errors: FieldErrors) -> None:
        self.sent = sent
        self.errors = errors
        for name in sent.keys() - set(known):
            errors.add(name, "Unknown parameter.")

    def one(self, name: str, reader: Callable[[str], Value], default: Any = None) -> Any:
        """Return the value of a parameter that may be given once."""
        values = self.sent.get(name)
        if not values:
            return default
        if len(values) > 1:
            self.errors.add(name, "Given more than once.")
        return self.errors.read(name, reader, values[0])

    def many(self, name: str, reader: Callable[[str], Value]) -> tuple[Value, ...]:
        """Return the distinct values, in a fixed order, of a parameter that repeats or takes commas."""
        values = [self.errors.read(name, reader, word) for word in sorted(split_words(self.sent.get(name, [])))]
        return tuple(dict.fromkeys(value for value in values if value is not None))


def _media_fault(content_type: str) -> str | None:
    """Return why the body of this request is not read; None if its media type is JSON."""
    if "Content-Encoding" in request.headers:
        return "Send the body as it is, without `Content-Encoding`: compressed bodies are not accepted."
    if is_json(content_type):
        return None
    if content_type.startswith("application/x-www-form-urlencoded"):
        return "This is sent as a form, the default of `curl -d`: add `-H 'Content-Type: application/json'`."
    if "charset" in content_type.lower():
        return "Send JSON in UTF-8, with `Content-Type: application/json`."
    return "Send `Content-Type: application/json`."


def type_reader(names: list[str]) -> Callable[[str], str]:
    """Return a reader of type names in any letter case."""

    def read(name: str) -> str:
        if name.lower() not in names:
            raise NotAllowed(names)
        return name.lower()

    return read


def read_wait(text: str) -> float:
    """Read how long the request may wait, in seconds.

    Raises:
        ValueError: it is not a number of seconds from 0 to 30.
    """
    if not SECONDS.fullmatch(text) or float(text) > MAX_WAIT_S:
        raise ValueError("Must be a number of seconds from 0 to 30.")
    return float(text)

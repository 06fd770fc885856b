"""Arrays as Postgres reads them, as text: psycopg takes a microsecond for each element, and here they are many.

The syntax: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

APART = "\0"  # no text in Postgres has one


def array(values: Sequence[str | None]) -> str:
    """An array of texts and nulls.

    Raises:
        ValueError: there is a NUL in a text.
    """
    if None in values:
        return "{" + ",".join(["NULL" if each is None else _quoted([each]) for each in values]) + "}"
    return "{" + _quoted(values) + "}" if values else "{}"  # type: ignore[arg-type]  # there is no None in it


def _quoted(texts: Sequence[str]) -> str:
    """Each in quotes, with commas; escaped all at once."""
    together = APART.join(texts)
    if together.count(APART) >= len(texts):
        raise ValueError("a NUL in a text")
    return '"' + together.replace("\\", "\\\\").replace('"', '\\"').replace(APART, '","') + '"'

"""Arrays in Postgres' text format."""

from __future__ import annotations

import pytest

from app.ledger.statements import array


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], "{}"),
        (["a", "b"], '{"a","b"}'),
        ([None, "NULL", None], '{NULL,"NULL",NULL}'),
        (["", None], '{"",NULL}'),
        (['{"a": "\\u00e9"}', "b,c"], '{"{\\"a\\": \\"\\\\u00e9\\"}","b,c"}'),
    ],
)
def test_texts_are_quoted_and_nulls_are_not(values: list[str | None], text: str) -> None:
    assert array(values) == text


@pytest.mark.parametrize("values", [["a\0b"], ["a", "\0"], [None, "\0"]])
def test_a_nul_is_refused(values: list[str | None]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        array(values)

"""The header `Prefer`."""

from __future__ import annotations

import pytest

from app.api.reading.requests import asks_for_minimal


@pytest.mark.parametrize(
    "header",
    ["return=minimal", 'return="minimal"', "Return = Minimal", "wait=3, return=minimal", "return=minimal; foo=bar"],
)
def test_minimal_is_understood_in_every_spelling(header: str) -> None:
    assert asks_for_minimal(header)


@pytest.mark.parametrize(
    "header", ["", "return=representation", 'foo="return=minimal"', "return=representation, return=minimal", "minimal"]
)
def test_anything_else_is_not_minimal(header: str) -> None:
    assert not asks_for_minimal(header)

"""The header `Prefer`."""

from __future__ import annotations

import pytest

from app.api.reading.preferences import prefers_minimal


@pytest.mark.parametrize(
    "header",
    ["return=minimal", 'return="minimal"', "Return = Minimal", "wait=3, return=minimal", "return=minimal; foo=bar"],
)
def test_minimal_is_understood_in_every_spelling(header: str) -> None:
    assert prefers_minimal(header)


@pytest.mark.parametrize(
    "header", ["", "return=representation", 'foo="return=minimal"', "return=representation, return=minimal", "minimal"]
)
def test_anything_else_is_not_minimal(header: str) -> None:
    assert not prefers_minimal(header)

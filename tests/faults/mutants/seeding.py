"""Seed bugs into a process: replace the text of statements, or functions."""

from __future__ import annotations

from typing import Any

from app.ledger import statements

_original = statements.statement


def text_without(name: str, *parts: str) -> str:
    """Return the text of a statement without these parts, which it must contain."""
    text = _original(name)
    for each in parts:
        assert each in text, f"{name}.sql has changed: it does not contain {each!r}"
        text = text.replace(each, "")
    return text


def put_in(**texts: str) -> None:
    """Use these texts for the statements of these names; a name may be new."""
    swap(statements, "statement", lambda name: texts.get(name) or _original(name))


def swap(where: Any, name: str, other: Any) -> Any:
    """Replace an attribute of a module or a class; return the original."""
    original = getattr(where, name)
    setattr(where, name, other)
    return original

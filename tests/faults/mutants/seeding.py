"""How a bug gets into a process: other texts for statements, other functions in their places."""

from __future__ import annotations

from typing import Any

from app.ledger import statements

_ours = statements.statement


def text_without(name: str, *parts: str) -> str:
    """The statement's text with these parts gone; they must be there."""
    text = _ours(name)
    for each in parts:
        assert each in text, f"{name}.sql has changed: {each!r} is not in it"
        text = text.replace(each, "")
    return text


def put_in(**texts: str) -> None:
    """Run these texts under these names; a name may be new."""
    swap(statements, "statement", lambda name: texts.get(name) or _ours(name))


def swap(where: Any, name: str, other: Any) -> Any:
    """Put something else in the place of a module's or a class' part; what was there."""
    ours = getattr(where, name)
    setattr(where, name, other)
    return ours

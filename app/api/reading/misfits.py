"""Finds what is JSON and still cannot be kept, and says where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 100


@dataclass(frozen=True, slots=True)
class Misfit:
    """Stands where a value was that cannot be kept; `name` is the member of it that is at fault."""

    message: str
    name: str = ""


def find_misfit(value: Any, *, deepest: int, place: str = "", depth: int = 1) -> tuple[str, str] | None:
    """The place and the message of the first one, misfits, broken texts and depth included."""
    if isinstance(value, Misfit):
        return _at(_below(place, value.name), value.message)
    if isinstance(value, str):
        return _at(place, "Contains a NUL character or half a surrogate pair.") if _is_broken(value) else None
    if isinstance(value, dict | list) and depth > deepest:
        return _at(place, f"Nested deeper than {deepest} levels.")
    for where, name, inner in _members(value, place):
        if _is_broken(name):
            return _at(where, "The name contains a NUL character or half a surrogate pair.")
        if found := find_misfit(inner, deepest=deepest, place=where, depth=depth + 1):
            return found
    return None


def _members(value: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """Each with its place and its name; members of a list have none."""
    if isinstance(value, dict):
        yield from ((_below(place, name), name, inner) for name, inner in value.items())
    elif isinstance(value, list):
        yield from ((f"{place}[{number}]", "", inner) for number, inner in enumerate(value))


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place and name else place or name


def _is_broken(text: str) -> bool:
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def _at(place: str, message: str) -> tuple[str, str]:
    return place[:SHOWN] or "body", message

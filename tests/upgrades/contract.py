"""The statements of a release in one file, with the types of their results."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.ledger.statements import SQL, statement

if TYPE_CHECKING:
    import psycopg

FOLDER = Path(__file__).parent
HEADER = re.compile(r"^-- name: (\w+) \((.*)\)$", re.MULTILINE)
PARAMETER = re.compile(r"%\((\w+)\)s|%%")


@dataclass(frozen=True)
class Statement:
    """A statement as the release sent it, and the types of the columns that it read."""

    name: str
    types: str
    text: str


def recorded(file: Path) -> dict[str, Statement]:
    """Return the statements of a file by name."""
    parts = HEADER.split(file.read_text(encoding="utf-8"))[1:]
    return {name: Statement(name, types, sql.strip()) for name, types, sql in zip(*[iter(parts)] * 3, strict=True)}


def current(connection: psycopg.Connection[tuple[object, ...]]) -> list[Statement]:
    """Return the statements of this release."""
    texts = {each.stem: statement(each.stem).strip() for each in sorted(SQL.glob("*.sql"))}
    return [Statement(name, result_types(connection, text), text) for name, text in texts.items()]


def write(file: Path, statements: list[Statement]) -> None:
    """Write a file that `recorded` reads."""
    blocks = [f"-- name: {each.name} ({each.types})\n{each.text}\n" for each in statements]
    file.write_text("\n".join(blocks), encoding="utf-8")


def result_types(connection: psycopg.Connection[tuple[object, ...]], text: str) -> str:
    """Return the types of the columns that a statement returns, as the server parses it now. It is not run."""
    connection.execute(f"PREPARE contract AS {numbered(text)}".encode())
    try:
        found = connection.execute("SELECT result_types::text FROM pg_prepared_statements WHERE name = 'contract'")
        return str((found.fetchone() or ("",))[0] or "").strip("{}")
    finally:
        connection.execute("DEALLOCATE contract")


def numbered(text: str) -> str:
    """Return the statement with parameters in Postgres' own form, $1 and so on."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return PARAMETER.sub(number, text)

"""Runs the `.sql` files. Each is one statement, is read once, and commits by itself. Rows are read by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from psycopg.rows import scalar_row, tuple_row

from app.ledger.calls import Effect, call
from app.task import Task

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import RowFactory
    from sqlalchemy import Connection, Engine

Answer = TypeVar("Answer")
Row = TypeVar("Row")
SQL = Path(__file__).parent / "sql"
PART = re.compile(r"\{([a-z_]+)\}")
TASK_COLUMNS = ", ".join(Task.__struct_fields__)
COMMENT = re.compile("--.*")
WRITES = re.compile(r"\b(INSERT INTO|DELETE FROM|UPDATE \w+)\b")
# Statements that write, and whose repetition changes nothing and has the same answer. Callers of `insert`, `delete`,
# `cancel` and `finish` read the row of a task that the repetition did not change.
IDEMPOTENT = {"insert", "delete", "cancel", "finish", "heartbeat", "extend_lease", "key_revoke", "retire_worker",
              "check_writes"}  # fmt: skip
NO_CONSTANTS: Mapping[str, Any] = {}
ARRAY_SEPARATOR = "\0"  # no text in Postgres contains one


def statement(name: str) -> str:
    """Return `sql/<name>.sql`. `{task}` becomes the columns of a task, and `{x}` the text of `sql/parts/x.sql`."""
    return STATEMENTS[name]


@cache
def effect(name: str) -> Effect:
    """Return the effect of repeating a statement."""
    if name in IDEMPOTENT:
        return Effect.IDEMPOTENT
    return Effect.ONCE if WRITES.search(COMMENT.sub("", statement(name))) else Effect.READ


def _expanded(text: str, parts: Mapping[str, str]) -> str:
    return PART.sub(lambda found: TASK_COLUMNS if found[1] == "task" else _expanded(parts[found[1]], parts), text)


def _read(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.sql")}


def _read_statements() -> dict[str, str]:
    parts = {name: text.strip() for name, text in _read(SQL / "parts").items()}
    return {name: _expanded(text, parts) for name, text in _read(SQL).items()}


STATEMENTS = _read_statements()
"""All statements, read at the start of the process, because later it may have no free file descriptor."""


def rows(
    engine: Engine,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    make: Callable[..., Row],
    constants: Mapping[str, Any] = NO_CONSTANTS,
) -> list[Row]:
    """Run one statement; each row becomes `make(**columns, **constants)`. Raises as `call`."""
    return _run(engine, name, parameters, partial(_by_name, make, constants), lambda cursor: cursor.fetchall())


def _by_name(
    make: Callable[..., Row], constants: Mapping[str, Any], cursor: psycopg.Cursor[Any]
) -> Callable[[Sequence[Any]], Row]:
    """Return the function that makes a row: a class gets the columns in the order of its fields, others as keywords.

    The order is looked up once for all rows, so that a row takes 0.2 microseconds. Keywords take 0.6.
    """
    names = (*(column.name for column in cursor.description or ()), *constants)
    fields = getattr(make, "__match_args__", ())
    if len(names) == 1 or sorted(fields) != sorted(names):
        return lambda values: make(**dict(zip(names, values, strict=False)), **constants)
    in_order, last = itemgetter(*map(names.index, fields)), tuple(constants.values())
    return lambda values: make(*in_order((*values, *last)))


def scalars(engine: Engine, name: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
    """Run one statement; return the first column of each row. Raises as `call`."""
    return _run(engine, name, parameters, scalar_row, lambda cursor: cursor.fetchall())


def execute(engine: Engine, name: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Run one statement that returns no rows; return the number of rows that it changed. Raises as `call`."""
    return _run(engine, name, parameters, tuple_row, lambda cursor: cursor.rowcount)


def array(values: Sequence[str | None]) -> str:
    """Encode texts and nulls as a Postgres array. psycopg would take a microsecond for each element.

    The syntax: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO

    Raises:
        ValueError: there is a NUL in a text.
    """
    nulls = values.count(None)
    if nulls == len(values):
        return "{" + ",".join(["NULL"] * nulls) + "}"
    if nulls:
        return "{" + ",".join(["NULL" if each is None else _quoted([each]) for each in values]) + "}"
    return "{" + _quoted(values) + "}"  # type: ignore[arg-type]  # there is no None in it


def _quoted(texts: Sequence[str]) -> str:
    """Quote the texts and join them by commas. They are escaped all at once."""
    together = ARRAY_SEPARATOR.join(texts)
    if together.count(ARRAY_SEPARATOR) >= len(texts):
        raise ValueError("a NUL in a text")
    return '"' + together.replace("\\", "\\\\").replace('"', '\\"').replace(ARRAY_SEPARATOR, '","') + '"'


def _run(
    engine: Engine,
    name: str,
    parameters: Mapping[str, Any] | None,
    row_factory: RowFactory[Row],
    answer: Callable[[psycopg.Cursor[Row]], Answer],
) -> Answer:
    """Run a statement with psycopg on a connection of SQLAlchemy's pool. SQLAlchemy takes nearly twice as long."""

    def act(connection: Connection) -> Answer:
        driver = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
        return answer(driver.cursor(row_factory=row_factory).execute(statement(name), parameters or {}))

    return call(engine, act, effect(name))

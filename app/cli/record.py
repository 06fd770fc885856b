"""The record of what was submitted: JSON lines of id, type and execute_at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

RECORD = Path("var/submitted.jsonl")


class Asked(msgspec.Struct, frozen=True):
    """A task as it was asked for and answered with 201."""

    id: str
    type: str
    execute_at: datetime


def line(asked: Asked) -> bytes:
    """One line of a record."""
    return msgspec.json.encode(asked) + b"\n"


def read_record(file: Path) -> list[Asked]:
    """All that was recorded.

    Raises:
        click.ClickException: there is no record, or a line is not one of its lines.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        raise click.UsageError(f"{file} is not there: `submit` or submit_task.py writes it.") from None
    try:
        asked = [msgspec.json.decode(each, type=Asked) for each in lines if each.strip()]
    except (msgspec.ValidationError, msgspec.DecodeError) as wrong:
        raise click.UsageError(f"{file} is not a record: {wrong}") from None
    if any(each.execute_at.tzinfo is None for each in asked):
        raise click.UsageError(f"{file} is not a record: a time without an offset.")
    return asked


def instant(at: datetime) -> str:
    """RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

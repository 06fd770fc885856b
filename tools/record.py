"""The record of submitted tasks: JSON lines of id, type and execute_at, written by `submit`, read by `verify`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
import msgspec

RECORD = Path("var/submitted.jsonl")


class Submitted(msgspec.Struct, frozen=True):
    """A task as it was requested and answered with 201."""

    id: str
    type: str
    execute_at: datetime


def line(task: Submitted) -> bytes:
    """Encode one line of a record."""
    return msgspec.json.encode(task) + b"\n"


def read_record(file: Path) -> list[Submitted]:
    """Read a record.

    Raises:
        click.UsageError: there is no such file, or a line is not one of a record.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        raise click.UsageError(f"{file} is not there: `submit` or submit_task.py writes it.") from None
    try:
        submitted = [msgspec.json.decode(each, type=Submitted) for each in lines if each.strip()]
    except (msgspec.ValidationError, msgspec.DecodeError) as wrong:
        raise click.UsageError(f"{file} is not a record: {wrong}") from None
    if any(each.execute_at.tzinfo is None for each in submitted):
        raise click.UsageError(f"{file} is not a record: a time without an offset.")
    return submitted

"""Output of the commands: tables for people, JSON for scripts, instants and durations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {"scheduled": "cyan", "running": "yellow", "succeeded": "green", "failed": "red"}
WIDTH_WITHOUT_TERMINAL = 200


def console(*, stderr: bool = False) -> Console:
    """Return the console for tables: as wide as the terminal, or wide enough for ids if there is none."""
    terminal = Console(stderr=stderr, highlight=False)
    return terminal if terminal.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH_WITHOUT_TERMINAL)


def as_json(value: object) -> str:
    """Format JSON with an indent, for scripts and people."""
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)


def instant(at: datetime) -> str:
    """Format an instant as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def lag(milliseconds: float | None) -> str:
    """Format a delay in a unit that fits; empty for None."""
    if milliseconds is None:
        return ""
    if abs(milliseconds) < 1000:  # noqa: PLR2004 - a second
        return f"{milliseconds:.1f} ms"
    seconds = milliseconds / 1000
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def task_list(tasks: Iterable[Mapping[str, Any]]) -> Table:
    """Build a table with a row per task."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, least in (("id", 36), ("type", 4), ("state", 9), ("execute at", 27), ("attempt", 7)):
        table.add_column(name, no_wrap=True, min_width=least)
    table.add_column("lag", justify="right", no_wrap=True, min_width=6)
    table.add_column("outcome", overflow="ellipsis", no_wrap=True, max_width=60)
    for task in tasks:
        attempts = f"{task['attempt']}/{task['max_attempts']}"
        cells = (task["id"], task["type"], _state(task), task["execute_at"], attempts, lag(task["lag_ms"]))
        table.add_row(*cells, Text(_outcome(task)))
    return table


def key_list(keys: Iterable[Mapping[str, Any]]) -> Table:
    """Build a table with a row per API key."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "name", "scopes", "created at", "expires at", "revoked at", "valid", "max pending"):
        table.add_column(name, no_wrap=name != "name", overflow="fold")
    for key in keys:
        instants = (key[name] or "" for name in ("created_at", "expires_at", "revoked_at"))
        valid = Text("yes", style="green") if key["valid"] else Text("no", style="red")
        limit = "" if key["max_pending"] is None else str(key["max_pending"])
        table.add_row(str(key["id"]), Text(key["name"]), ", ".join(key["scopes"]), *instants, valid, limit)
    return table


def task_card(task: Mapping[str, Any]) -> Table:
    """Build a table of one task with a row per field; fields without a value are left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in task.items():
        if value is None or (name == "task_id" and value == task.get("id")):
            continue
        shown = _state(task) if name == "state" else Text(value if isinstance(value, str) else json.dumps(value))
        table.add_row(name, shown)
    return table


def numbers(rows: Iterable[tuple[str, object, bool]]) -> Table:
    """Build a table of (name, value, whether it is wrong); wrong ones are red."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value, wrong in rows:
        table.add_row(name, Text(str(value)), style="bold red" if wrong else None)
    return table


def _state(task: Mapping[str, Any]) -> Text:
    return Text(str(task["state"]), style=COLOURS.get(str(task["state"]), ""))


def _outcome(task: Mapping[str, Any]) -> str:
    error, result = task["error"], task["result"]
    if error:
        return f"{error['type']}: {error['message']}"
    if isinstance(result, dict) and list(result) == ["output"]:
        return str(result["output"])
    return "" if result is None else json.dumps(result)

"""`stats`: GET /stats as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from app.cli.options import over_http
from app.cli.output import COLOURS, as_json as to_json, console, lag, numbers
from app.cli.service import Service
from app.task import TaskState

LATE_S = 10.0
PERCENTILES = ("p50", "p95", "p99")
EXPECTED = {"handed_back"}  # by every orderly stop of a worker


@click.command()
@over_http
def stats(*, service: Service, as_json: bool) -> None:
    """Show statistics: tasks by type and state, lateness, backlog, workers, counters of faults."""
    answer = service.ask("GET", "/stats")
    if as_json:
        click.echo(to_json(answer))
        return
    for table in (counts(answer), numbers(lines(answer)), workers(answer)):
        console().print(table)
        click.echo()


def counts(answer: Mapping[str, Any]) -> Table:
    """Build a table with a row per type, a column per state, and the sums in the last row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("type")
    for state in TaskState:
        table.add_column(Text(state, style=COLOURS.get(state, "")), justify="right")
    for share in PERCENTILES:
        table.add_column(f"lag {share}", justify="right")
    late = answer["punctuality"]["by_type"]
    for name, found in [*sorted(answer["by_type"].items()), ("all", answer["by_state"])]:
        lags = (lag(late.get(name, {}).get(f"{share}_ms")) for share in PERCENTILES)
        table.add_row(name, *(count(found.get(state, 0), answer["counted_up_to"]) for state in TaskState), *lags)
    return table


def count(number: int, up_to: int) -> str:
    """Format a count; a plus if counting stopped there."""
    return f"{number:,}+" if number >= up_to else f"{number:,}"


def lines(answer: Mapping[str, Any]) -> Iterator[tuple[str, object, bool]]:
    """Yield single numbers as (name, value, whether it is wrong)."""
    punctuality, backlog = answer["punctuality"], answer["backlog"]
    yield "oldest overdue", lag(answer["oldest_overdue_s"] * 1000), answer["oldest_overdue_s"] > LATE_S
    yield "due and not started", count(backlog["due"], answer["counted_up_to"]), False
    for share in PERCENTILES:
        yield f"lag {share}", lag(punctuality[f"{share}_ms"]) or "-", False
    yield "started too early", punctuality["early_total"], punctuality["early_total"] > 0
    if answer["redis"] == "ok":
        yield "in the due sets", backlog["on_schedule"], False
        yield "delivered", backlog["delivered"], False
        for name, depth in backlog["rq_queues"].items():
            yield f"RQ queue {name}", depth, False
    else:
        yield "Redis", "does not answer", True
    for name, number in answer["counters"].items():
        yield name.replace("_", " "), number, number > 0 and name not in EXPECTED


def workers(answer: Mapping[str, Any]) -> Table:
    """Build a table with a row per worker process."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("worker", "queue", "slots", "silent", "trouble"):
        table.add_column(name, justify="right" if name in {"slots", "silent"} else "left", no_wrap=name != "trouble")
    for each in answer["workers"]:
        trouble = each.get("trouble") or ""  # missing in answers of earlier releases
        cells = (each["id"], each["queue"], str(each["slots"]), lag(each["silent_s"] * 1000), trouble)
        table.add_row(*cells, style="bold red" if trouble or not each["alive"] else None)
    return table

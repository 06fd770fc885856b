"""`task`: create, list, show, delete."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

import click

from app.cli.options import DURATION, JSON_OBJECT, over_http
from app.cli.output import as_json as to_json, console, task_card, task_list
from app.cli.service import PAGE, Service
from app.task import FINAL_STATES

MAX_WAIT_S = 30.0
POLL_S = 0.1


@click.group()
def task() -> None:
    """Create, list, show and delete tasks."""


@task.command()
@click.argument("task_type", metavar="TYPE")
@click.option("--at", metavar="RFC3339", help="When to run it, with an offset: 2030-01-31T09:30:00+01:00.")
@click.option("--in", "delay_s", type=DURATION, help="How long from now to run it: 90s, 5m, 2h. [default: now]")
@click.option("--payload", type=JSON_OBJECT, help="JSON object for the handler.")
@click.option("--timeout-s", type=float, help="Seconds after which an attempt is killed. [default: that of the type]")
@click.option("--max-attempts", type=int, help="How often it may start. [default: that of the type]")
@over_http
def create(*, service: Service, as_json: bool, task_type: str, **fields: Any) -> None:
    """Create a task of TYPE."""
    body = new_task(task_type, **fields)
    _print(service.ask("POST", "/tasks", body=body), as_json=as_json)


@task.command("list")
@click.option(
    "--state",
    multiple=True,
    help="Filter by state (repeat, or separate by commas); deleted tasks are listed only if named.",
)
@click.option("--type", "task_type", multiple=True, help="Filter by type (repeat, or separate by commas).")
@click.option("--since", metavar="RFC3339", help="Tasks with execute_at at or after this time.")
@click.option("--until", metavar="RFC3339", help="Tasks with execute_at before this time.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Maximum number of tasks.")
@click.option("--all", "everything", is_flag=True, help="List all tasks, without a limit.")
@over_http
def list_(*, service: Service, as_json: bool, limit: int, everything: bool, **filters: Any) -> None:
    """List tasks, ordered by time. Filters combine with AND."""
    params = {"type" if name == "task_type" else name: value for name, value in filters.items() if value}
    page = PAGE if everything else min(limit, PAGE)
    tasks = list(islice(service.tasks(params, page=page), None if everything else limit))
    if as_json:
        click.echo(to_json(tasks))
    elif tasks:
        console().print(task_list(tasks))
    else:
        click.echo("No such tasks.")


@task.command()
@click.argument("task_id", metavar="ID")
@click.option(
    "--wait",
    "wait_s",
    type=DURATION,
    default=0.0,
    metavar="30s",
    help="How long to wait until the task has ended, at most 30 s.",
)
@over_http
def show(*, service: Service, as_json: bool, task_id: str, wait_s: float) -> None:
    """Show the task ID."""
    if wait_s > MAX_WAIT_S:
        raise click.BadParameter("at most 30s", param_hint="--wait")
    _print(_wait(service, task_id, until=time.monotonic() + wait_s), as_json=as_json)


def _wait(service: Service, task_id: str, *, until: float) -> dict[str, Any]:
    """Return the task once it has ended, or as it is at `until` (monotonic). One request may be answered earlier."""
    while True:
        left_s = until - time.monotonic()
        params = {"wait_s": f"{left_s:.3f}"} if left_s > 0 else None
        shown: dict[str, Any] = service.ask("GET", _path(task_id), params=params, wait_s=max(0.0, left_s))
        if shown["state"] in FINAL_STATES or time.monotonic() >= until:
            return shown
        time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))


@task.command()
@click.argument("task_id", metavar="ID")
@over_http
def delete(*, service: Service, as_json: bool, task_id: str) -> None:
    """Delete the task ID. Exit code 0 means that it never ran and never will."""
    deleted = service.ask("DELETE", _path(task_id))
    if as_json:
        click.echo(to_json(deleted))
    else:
        click.echo(f"{deleted['id']} is deleted: it never ran and never will.")


def new_task(task_type: str, *, at: str | None, delay_s: float | None, **optional: Any) -> dict[str, Any]:
    """Return the body of a request for a task; without a time it is due now."""
    if at is not None and delay_s is not None:
        raise click.UsageError("Give --at or --in, not both.")
    when = {"execute_at": at} if at is not None else {"delay_s": delay_s or 0}
    return {"type": task_type, **when} | {name: value for name, value in optional.items() if value is not None}


def _path(task_id: str) -> str:
    """Return the path of a task. Text that is not an id is refused, because it could become another path."""
    if not task_id or set(task_id.lower()) - set("0123456789abcdef-"):
        raise click.BadParameter(f"{task_id!r} is not an id.", param_hint="ID")
    return f"/tasks/{task_id}"


def _print(task: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(to_json(task))
    else:
        console().print(task_card(task))

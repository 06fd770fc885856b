"""`python -m tools.submit`: create many tasks around now and record them, so that `verify` can check them.

The same command as `python -m app submit`.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.options import DURATION, over_http
from app.cli.output import as_json as to_json, console
from app.cli.service import Refused, Service, ServiceUnavailable
from tools.record import RECORD, Submitted, line

BATCH = 2000
MAX_FAILURES_IN_A_ROW = 50


@dataclass(slots=True)
class Summary:
    """How many tasks were created in how many seconds, and why the first of the others was not."""

    created: int = 0
    failed: int = 0
    seconds: float = 0.0
    reason: click.ClickException | None = None

    @property
    def per_second(self) -> float:
        """Tasks created in a second."""
        return self.created / self.seconds if self.seconds else 0.0


@click.command()
@click.option("--count", type=click.IntRange(1), default=10_000, show_default=True, help="Number of tasks.")
@click.option(
    "--spread",
    type=DURATION,
    default="30m",
    show_default=True,
    help="Spread evenly over this long before and after now.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    default=("baz",),
    show_default=True,
    help="Type (repeatable); each task gets one at random.",
)
@click.option("--concurrency", type=click.IntRange(1, 200), default=16, show_default=True, help="Connections.")
@click.option(
    "--record", type=click.Path(path_type=Path, dir_okay=False), default=RECORD, show_default=True,
    help="File for the ids; an earlier one is replaced.",
)  # fmt: skip
@over_http
def submit(
    *,
    service: Service,
    as_json: bool,
    count: int,
    spread: float,
    types: tuple[str, ...],
    concurrency: int,
    record: Path,
) -> None:
    """Create many tasks, their times spread evenly around now; half of them are due already.

    One request per task, on connections that are kept. Exit code 1 when any was not created.
    """
    service.ask("GET", "/types")  # fails here if the service is unavailable
    bodies = spread_around(datetime.now(UTC), count=count, spread_s=spread, types=types, chance=random.Random())  # noqa: S311
    with Progress(
        TextColumn("creating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console(stderr=True), disable=not sys.stderr.isatty(),
    ) as progress:  # fmt: skip
        bar = progress.add_task("", total=count)
        summary = _create_and_record(bodies, service, concurrency, record, lambda: progress.advance(bar))
    _print(summary, record, as_json=as_json)
    if summary.reason:
        sys.exit(1 if summary.created else summary.reason.exit_code)


def spread_around(
    now: datetime, *, count: int, spread_s: float, types: Sequence[str], chance: random.Random
) -> Iterator[dict[str, str]]:
    """Yield bodies of requests: times uniform from `now - spread_s` to `now + spread_s`, types by chance."""
    for _ in range(count):
        at = now + timedelta(seconds=chance.uniform(-spread_s, spread_s))
        yield {"type": chance.choice(types), "execute_at": at.isoformat()}


def create_all(
    bodies: Iterable[Mapping[str, str]], *, service: Service, concurrency: int
) -> Iterator[Submitted | click.ClickException]:
    """Create a task for each body, each thread over a connection of its own; yield the task or the error.

    After MAX_FAILURES_IN_A_ROW calls without an answer, the rest is not tried.
    """
    own, failures = threading.local(), _FailuresInARow()

    def create(body: Mapping[str, str]) -> Submitted | click.ClickException:
        if failures.count >= MAX_FAILURES_IN_A_ROW:
            return ServiceUnavailable("The service stayed away; the rest was not tried.")
        if not hasattr(own, "service"):
            own.service = service.another()
        return _create(own.service, body, failures)

    pending = iter(bodies)
    with ThreadPoolExecutor(concurrency) as threads:
        while batch := list(islice(pending, BATCH)):
            yield from threads.map(create, batch)


@dataclass(slots=True)
class _FailuresInARow:
    """Calls without an answer since the last answer; an increment lost between threads does no harm."""

    count: int = 0


def _create(service: Service, body: Mapping[str, str], failures: _FailuresInARow) -> Submitted | click.ClickException:
    try:
        task = service.ask("POST", "/tasks", body=body)
    except Refused as refused:
        return refused
    except ServiceUnavailable as error:
        failures.count += 1
        return error
    failures.count = 0
    return Submitted(task["id"], body["type"].lower(), datetime.fromisoformat(body["execute_at"]))


def _create_and_record(
    bodies: Iterable[dict[str, str]], service: Service, concurrency: int, record: Path, advance: Callable[[], None]
) -> Summary:
    summary, began = Summary(), time.monotonic()
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("wb") as file:
        for each in create_all(bodies, service=service, concurrency=concurrency):
            if isinstance(each, Submitted):
                summary.created += 1
                file.write(line(each))
            else:
                summary.failed += 1
                summary.reason = summary.reason or each
            advance()
    summary.seconds = time.monotonic() - began
    return summary


def _print(summary: Summary, record: Path, *, as_json: bool) -> None:
    if as_json:
        reason = summary.reason.message if summary.reason else None
        counts = {"created": summary.created, "failed": summary.failed, "reason": reason}
        rates = {"seconds": round(summary.seconds, 3), "tasks_per_s": round(summary.per_second, 1)}
        click.echo(to_json(counts | rates | {"record": str(record)}))
        return
    counted = f"{summary.created} tasks in {summary.seconds:.1f} s, {summary.per_second:.0f} tasks/s"
    click.echo(f"{counted}, {summary.failed} failed")
    if summary.reason:
        click.echo(f"The first failure: {summary.reason.message}", err=True)
    click.echo(f"Recorded in {record}; `verify` checks them.")


if __name__ == "__main__":
    submit(prog_name="python -m tools.submit")

"""`submit`: a load of tasks around now, recorded so that `verify` can check them."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.creators import create_all
from app.cli.options import console, over_http
from app.cli.record import RECORD, Asked, line
from app.cli.service import as_json as to_json
from app.cli.values import DURATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from app.cli.service import Service


@dataclass(slots=True)
class Submitted:
    """How a submission went."""

    created: int = 0
    failed: int = 0
    seconds: float = 0.0
    reason: click.ClickException | None = None

    @property
    def per_second(self) -> float:
        """Tasks created in a second."""
        return self.created / self.seconds if self.seconds else 0.0


@click.command()
@click.option("--count", type=click.IntRange(1), default=10_000, show_default=True, help="How many.")
@click.option("--spread", type=DURATION, default="30m", show_default=True, help="From so long ago to so far ahead.")
@click.option("--type", "types", multiple=True, default=("baz",), show_default=True, help="Repeat: one by chance each.")
@click.option("--concurrency", type=click.IntRange(1, 200), default=16, show_default=True, help="Connections.")
@click.option(
    "--record", type=click.Path(path_type=Path, dir_okay=False), default=RECORD, show_default=True,
    help="Where the ids go; an earlier record is replaced.",
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
    service.ask("GET", "/types")  # is anybody there?
    bodies = spread_around(datetime.now(UTC), count=count, spread_s=spread, types=types, chance=random.Random())  # noqa: S311
    with Progress(
        TextColumn("creating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console(stderr=True), disable=not sys.stderr.isatty(),
    ) as progress:  # fmt: skip
        bar = progress.add_task("", total=count)
        went = _create(bodies, service, concurrency, record, lambda: progress.advance(bar))
    _tell(went, record, as_json=as_json)
    if went.reason:
        sys.exit(1 if went.created else went.reason.exit_code)


def spread_around(
    now: datetime, *, count: int, spread_s: float, types: Sequence[str], chance: random.Random
) -> Iterator[dict[str, str]]:
    """Bodies of requests: times uniform from `now - spread_s` to `now + spread_s`, types by chance."""
    for _ in range(count):
        at = now + timedelta(seconds=chance.uniform(-spread_s, spread_s))
        yield {"type": chance.choice(types), "execute_at": at.isoformat()}


def _create(
    bodies: Iterable[dict[str, str]], service: Service, concurrency: int, record: Path, advance: Callable[[], None]
) -> Submitted:
    went, began = Submitted(), time.monotonic()
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("wb") as file:
        for each in create_all(bodies, service=service, concurrency=concurrency):
            if isinstance(each, Asked):
                went.created += 1
                file.write(line(each))
            else:
                went.failed += 1
                went.reason = went.reason or each
            advance()
    went.seconds = time.monotonic() - began
    return went


def _tell(went: Submitted, record: Path, *, as_json: bool) -> None:
    if as_json:
        reason = went.reason.message if went.reason else None
        numbers = {"created": went.created, "failed": went.failed, "reason": reason}
        rates = {"seconds": round(went.seconds, 3), "tasks_per_s": round(went.per_second, 1)}
        click.echo(to_json(numbers | rates | {"record": str(record)}))
        return
    click.echo(f"{went.created} tasks in {went.seconds:.1f} s, {went.per_second:.0f} tasks/s, {went.failed} failed")
    if went.reason:
        click.echo(f"The first failure: {went.reason.message}", err=True)
    click.echo(f"Recorded in {record}; `verify` checks them.")

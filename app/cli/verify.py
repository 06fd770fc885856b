"""`verify`: every recorded task is there, ran once, not early; what the workers printed says the same."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from app.cli.lines import LineReport, compare
from app.cli.options import console, over_http
from app.cli.printed import Printed
from app.cli.record import RECORD, Asked, instant, read_record
from app.cli.service import as_json as to_json
from app.cli.tables import lag, numbers
from app.cli.values import DURATION
from app.cli.verification import Report, Seen, judge
from app.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.cli.service import Service

LOOK_EVERY_S = 1.0
BEGUN = (TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--record", type=FILE, default=RECORD, show_default=True, help="What `submit` wrote.")
@click.option("--output", type=FILE, multiple=True, help="What workers printed, like var/log/run.log. Repeat.")
@click.option("--wait", "wait_s", type=DURATION, default="60s", show_default=True, help="Wait so long for stragglers.")
@over_http
def verify(*, service: Service, as_json: bool, record: Path, output: tuple[Path, ...], wait_s: float) -> None:
    """Check every task that `submit` or submit_task.py recorded.

    Exit code 1 if any is missing, ran twice, ran early, or is not over after --wait.

    With --output: the line of every succeeded task of a seed type is there, once. Logs, and lines of tasks that
    were not recorded, may stand between; lag counts from execute_at, or from the creation if that was later.
    """
    asked = read_record(record)
    seen = wait_for_all(service, asked, wait_s=wait_s, now=datetime.now(UTC))
    report = judge(asked, seen)
    lines = _check_lines(service, seen, output) if output else None
    if as_json:
        click.echo(to_json(report.as_dict() | {"lines": lines.as_dict() if lines else None}))
    else:
        console().print(numbers(_rows(report, lines)))
        _hint(_unfinished(asked, seen))
    if report.wrong or (lines and lines.wrong):
        sys.exit(1)


def wait_for_all(
    service: Service, asked: Sequence[Asked], *, wait_s: float, now: datetime,
    clock: Callable[[], float] = time.monotonic, pause: Callable[[float], object] = time.sleep,
) -> dict[str, Seen]:  # fmt: skip
    """The recorded tasks by id, once all that can be final by then are, or the wait is over."""
    deadline, last_due = clock() + wait_s, now + timedelta(seconds=wait_s)
    seen = see(service, asked)
    while (left := _unfinished(asked, seen)) and clock() < deadline:
        if all(each.execute_at > last_due for each in left):
            break
        pause(LOOK_EVERY_S)
        seen |= see(service, left)
    return seen


def see(service: Service, asked: Sequence[Asked]) -> dict[str, Seen]:
    """These tasks as the service lists them: pages of a list, not a request for each."""
    if not asked:
        return {}
    wanted = {each.id for each in asked}
    filters = {
        "state": ",".join(TaskState),
        "type": ",".join(sorted({each.type for each in asked})),
        "since": instant(min(each.execute_at for each in asked)),
        "until": instant(max(each.execute_at for each in asked) + timedelta(microseconds=1)),
    }
    return {task["id"]: msgspec.convert(task, Seen) for task in service.tasks(filters) if task["id"] in wanted}


def _unfinished(asked: Sequence[Asked], seen: dict[str, Seen]) -> list[Asked]:
    return [each for each in asked if each.id in seen and not seen[each.id].is_final]


def _begun(service: Service) -> dict[str, int]:
    """How many tasks of each type may have printed a line so far, in the whole service."""
    types = service.ask("GET", "/types")["types"]
    return {each["name"]: sum(each["counts"].get(state, 0) for state in BEGUN) for each in types}


def _check_lines(service: Service, seen: dict[str, Seen], files: Sequence[Path]) -> LineReport:
    """Read the files after the tasks, ask how many began after both; what is absent may still be on its way."""
    report = compare(seen.values(), _read_output(files), _begun(service))
    if report.absent:
        time.sleep(LOOK_EVERY_S)
        report = compare(seen.values(), _read_output(files), _begun(service))
    return report


def _read_output(files: Sequence[Path]) -> Printed:
    printed = Printed()
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                printed.read(lines)
        except OSError as trouble:
            raise click.BadParameter(f"{file}: {trouble.strerror}", param_hint="--output") from None
    return printed


def _hint(unfinished: Sequence[Asked]) -> None:
    if unfinished:
        last = instant(max(each.execute_at for each in unfinished))
        click.echo(f"{len(unfinished)} are not over yet, the last is due at {last}: verify again after that.", err=True)


def _rows(report: Report, lines: LineReport | None) -> list[tuple[str, object, bool]]:
    promised = ("missing", "twice", "early", "unfinished")
    told = ("tasks", "succeeded", "failed", "deleted", "retried")
    rows: list[tuple[str, object, bool]] = [(name, getattr(report, name), False) for name in told]
    rows += [(name, value, value > 0) for name in promised if (value := getattr(report, name)) is not None]
    rows += [(f"lag {name}", lag(getattr(report, f"lag_{name}_ms")), False) for name in ("p50", "p99", "max")]
    if lines:
        rows.append(("lines expected", lines.expected, False))
        wrong: dict[str, Any] = {"absent": lines.absent, "twice": lines.twice, "impossible": lines.impossible}
        rows += [(f"lines {name}", value, value > 0) for name, value in wrong.items()]
    return rows

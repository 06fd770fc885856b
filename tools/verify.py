"""`python -m tools.verify`: check that every recorded task exists, ran once and not early, and printed its line.

The same command as `python -m app verify`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from app.cli.options import DURATION, over_http
from app.cli.output import as_json as to_json, console, instant, lag, numbers
from app.cli.service import Service
from app.task import TaskState
from tools.printed import Printed
from tools.record import RECORD, Submitted, read_record
from tools.verdict import LineReport, ListedTask, Report, compare, judge

POLL_INTERVAL_S = 1.0
BEGUN = (TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--record", type=FILE, default=RECORD, show_default=True, help="File that `submit` wrote.")
@click.option(
    "--output", type=FILE, multiple=True, help="File with the output of workers, like var/log/run.log (repeatable)."
)
@click.option(
    "--wait",
    "wait_s",
    type=DURATION,
    default="60s",
    show_default=True,
    help="How long to wait for tasks that have not ended.",
)
@over_http
def verify(*, service: Service, as_json: bool, record: Path, output: tuple[Path, ...], wait_s: float) -> None:
    """Check every task that `submit` or submit_task.py recorded.

    Exit code 1 if any is missing, ran twice, ran early, or is not over after --wait.

    With --output: the line of every succeeded task of a seed type is there, once. Logs, and lines of tasks that
    were not recorded, may stand between; lag counts from execute_at, or from the creation if that was later.
    """
    submitted = read_record(record)
    listed = wait_for_all(service, submitted, wait_s=wait_s, now=datetime.now(UTC))
    report = judge(submitted, listed)
    lines = _check_lines(service, listed, output) if output else None
    if as_json:
        click.echo(to_json(report.as_dict() | {"lines": lines.as_dict() if lines else None}))
    else:
        console().print(numbers(_rows(report, lines)))
        _hint(_unfinished(submitted, listed))
    if report.wrong or (lines and lines.wrong):
        sys.exit(1)


def wait_for_all(
    service: Service, submitted: Sequence[Submitted], *, wait_s: float, now: datetime,
    clock: Callable[[], float] = time.monotonic, pause: Callable[[float], object] = time.sleep,
) -> dict[str, ListedTask]:  # fmt: skip
    """Return the recorded tasks by id, once all that fall due within `wait_s` are final, or after `wait_s`."""
    deadline, last_due = clock() + wait_s, now + timedelta(seconds=wait_s)
    listed = list_tasks(service, submitted)
    while (left := _unfinished(submitted, listed)) and clock() < deadline:
        if all(each.execute_at > last_due for each in left):
            break
        pause(POLL_INTERVAL_S)
        listed |= list_tasks(service, left)
    return listed


def list_tasks(service: Service, submitted: Sequence[Submitted]) -> dict[str, ListedTask]:
    """List these tasks by id: pages of a list, not a request for each."""
    if not submitted:
        return {}
    wanted = {each.id for each in submitted}
    filters = {
        "state": ",".join(TaskState),
        "type": ",".join(sorted({each.type for each in submitted})),
        "since": instant(min(each.execute_at for each in submitted)),
        "until": instant(max(each.execute_at for each in submitted) + timedelta(microseconds=1)),
    }
    return {task["id"]: msgspec.convert(task, ListedTask) for task in service.tasks(filters) if task["id"] in wanted}


def _unfinished(submitted: Sequence[Submitted], listed: dict[str, ListedTask]) -> list[Submitted]:
    return [each for each in submitted if each.id in listed and not listed[each.id].is_final]


def _begun(service: Service) -> dict[str, int]:
    """Count the tasks of each type in the whole service that may have printed a line."""
    types = service.ask("GET", "/types")["types"]
    return {each["name"]: sum(each["counts"].get(state, 0) for state in BEGUN) for each in types}


def _check_lines(service: Service, listed: dict[str, ListedTask], files: Sequence[Path]) -> LineReport:
    """Compare tasks with the files; once more after a pause if lines are absent, as output may be delayed.

    The order matters: files are read after the tasks were listed, and `begun` is counted after both. Otherwise a task
    that starts in between would have a line too many.
    """
    report = compare(listed.values(), _read_output(files), _begun(service))
    if report.absent:
        time.sleep(POLL_INTERVAL_S)
        report = compare(listed.values(), _read_output(files), _begun(service))
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


def _hint(unfinished: Sequence[Submitted]) -> None:
    if unfinished:
        last = instant(max(each.execute_at for each in unfinished))
        click.echo(
            f"{len(unfinished)} have not ended yet; the last is due at {last}. Verify again after that.", err=True
        )


def _rows(report: Report, lines: LineReport | None) -> list[tuple[str, object, bool]]:
    counts = ("tasks", "succeeded", "failed", "deleted", "retried")
    promised = ("missing", "twice", "early", "unfinished")
    rows: list[tuple[str, object, bool]] = [(name, getattr(report, name), False) for name in counts]
    rows += [(name, value, value > 0) for name in promised if (value := getattr(report, name)) is not None]
    rows += [(f"lag {name}", lag(getattr(report, f"lag_{name}_ms")), False) for name in ("p50", "p99", "max")]
    if lines:
        rows.append(("lines expected", lines.expected, False))
        wrong = {"absent": lines.absent, "twice": lines.twice, "impossible": lines.impossible}
        rows += [(f"lines {name}", value, value > 0) for name, value in wrong.items()]
    return rows


if __name__ == "__main__":
    verify(prog_name="python -m tools.verify")

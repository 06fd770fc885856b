"""The rules of `verify`: first for the tasks, then for the lines that workers printed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.task import TaskState
from tools.printed import Printed, bare, type_of
from tools.record import Submitted
from tools.verdict import ListedTask, compare, judge, percentile
from tools.verify import wait_for_all

if TYPE_CHECKING:
    from app.cli.service import Service

AT = datetime(2030, 1, 31, 8, 30, tzinfo=UTC)
MS = timedelta(milliseconds=1)
ID = "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"


def submitted(task_id: str = ID, task_type: str = "foo") -> Submitted:
    return Submitted(task_id, task_type, AT)


def seen(task_id: str = ID, task_type: str = "foo", **more: Any) -> ListedTask:
    fields: dict[str, Any] = {
        "state": TaskState.SUCCEEDED, "execute_at": AT, "created_at": AT - 1000 * MS, "started_at": AT + 5 * MS,
        "attempt": 1, "max_attempts": 1, "result": {"output": f"{task_type.capitalize()} {task_id}"},
    }  # fmt: skip
    return ListedTask(id=task_id, type=task_type, **(fields | more))


def printed(*lines: str) -> Printed:
    lines_of_workers = Printed()
    lines_of_workers.read(lines)
    return lines_of_workers


def test_a_task_that_ran_once_and_on_time_is_as_promised() -> None:
    report = judge([submitted()], {ID: seen()})
    assert (report.tasks, report.succeeded, report.wrong) == (1, 1, 0)
    assert (report.lag_p50_ms, report.lag_p99_ms, report.lag_max_ms) == (5, 5, 5)


def test_a_task_that_is_not_listed_is_missing() -> None:
    assert judge([submitted()], {}).missing == 1


def test_a_start_before_the_time_asked_for_is_early() -> None:
    assert judge([submitted()], {ID: seen(started_at=AT - 1 * MS)}).early == 1


def test_a_time_that_was_moved_forward_is_early() -> None:
    moved = seen(execute_at=AT - 10 * MS, started_at=AT - 5 * MS)
    assert judge([submitted()], {ID: moved}).early == 1


def test_a_second_attempt_that_was_allowed_is_retried_one_that_was_not_is_twice() -> None:
    allowed = judge([submitted()], {ID: seen(attempt=2, max_attempts=3)})
    assert (allowed.retried, allowed.twice) == (1, 0)
    assert judge([submitted()], {ID: seen(attempt=2)}).twice == 1


@pytest.mark.parametrize("state", [TaskState.SCHEDULED, TaskState.RUNNING])
def test_a_task_that_is_not_over_is_unfinished(state: TaskState) -> None:
    assert judge([submitted()], {ID: seen(state=state)}).wrong == 1


@pytest.mark.parametrize("state", [TaskState.DELETED, TaskState.CANCELLED, TaskState.FAILED])
def test_a_task_that_ended_otherwise_breaks_no_promise(state: TaskState) -> None:
    assert judge([submitted()], {ID: seen(state=state, started_at=None)}).wrong == 0


def test_lag_of_a_task_that_was_late_when_it_was_created_counts_from_its_creation() -> None:
    late = seen(created_at=AT + 1000 * MS, started_at=AT + 1007 * MS)
    assert judge([submitted()], {ID: late}).lag_max_ms == 7


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_percentiles_are_measured_values(percent: int, value: int) -> None:
    assert percentile(list(range(1, 101)), percent) == value


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile([], 50) is None


@pytest.mark.parametrize(
    "raw", ["Baz 17\n", "Baz 17\r\n", "09:44:37 worker.1    | Baz 17", "worker-1  | Baz 17",
            "\x1b[0m\x1b[36m09:44:37 worker.1 | \x1b[0mBaz 17\n"],
)  # fmt: skip
def test_prefixes_and_colours_are_removed(raw: str) -> None:
    assert bare(raw) == "Baz 17"


@pytest.mark.parametrize(
    ("line", "task_type"),
    [(f"Foo {ID}", "foo"), (f"Fizz {ID}", "fizz"), (f"Buzz {ID}", "buzz"), ("Baz 0", "baz"), ("200", "bar"),
     ("FizzBuzz 2030-01-31T08:30:00.000123Z", "fizzbuzz"), ("Foo", None), ("Baz 1234", None), ("999", None), ("", None),
     ('{"event": "Baz 3"}', None)],
)  # fmt: skip
def test_a_line_tells_its_type(line: str, task_type: str | None) -> None:
    assert type_of(line) == task_type


def test_one_line_per_task_is_as_promised() -> None:
    lines = compare([seen()], printed(f"Foo {ID}"), {"foo": 1})
    assert (lines.expected, lines.wrong) == (1, 0)


def test_a_missing_line_is_absent() -> None:
    assert compare([seen()], printed(), {"foo": 1}).absent == 1


def test_a_repeated_line_is_twice() -> None:
    assert compare([seen()], printed(f"Foo {ID}", f"Foo {ID}"), {"foo": 1}).twice == 1


def test_a_task_that_was_tried_twice_may_have_printed_twice() -> None:
    task = seen(attempt=2, max_attempts=2)
    assert compare([task], printed(f"Foo {ID}", f"Foo {ID}"), {"foo": 1}).wrong == 0


def test_a_line_of_a_deleted_task_is_impossible() -> None:
    deleted = seen(state=TaskState.DELETED, started_at=None, attempt=0, result=None)
    assert compare([deleted], printed(f"Foo {ID}"), {"foo": 0}).impossible == 1


def test_lines_of_unrecorded_tasks_are_ignored() -> None:
    other = "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d12"
    assert compare([seen()], printed(f"Foo {other}", f"Foo {ID}", f"Foo {other}"), {"foo": 2}).wrong == 0


def test_lines_without_an_id_are_compared_by_number() -> None:
    tasks = [seen(str(n), "baz", result={"output": f"Baz {value}"}) for n, value in enumerate((7, 7, 8))]
    assert compare(tasks, printed("Baz 7", "Baz 8", "Baz 7"), {"baz": 3}).wrong == 0
    assert compare(tasks, printed("Baz 7", "Baz 8"), {"baz": 3}).absent == 1
    assert compare(tasks, printed("Baz 7", "Baz 8", "Baz 7", "Baz 8"), {"baz": 3}).twice == 1
    assert compare(tasks, printed("Baz 7", "Baz 8", "Baz 7", "Baz 8"), {"baz": 4}).wrong == 0


def test_a_file_covers_what_began_after_its_first_log_line() -> None:
    log = '{"event": "x", "timestamp": "2030-01-31T09:00:00Z"}'
    later = '{"event": "y", "timestamp": "2030-01-31T10:00:00Z"}'
    found = printed("no JSON", "{}", log, later)
    assert not found.covers(AT)
    assert found.covers(AT + timedelta(hours=1))
    assert not found.covers(None)
    assert compare([seen()], found, {"foo": 1}).expected == 0


def test_the_earliest_log_line_of_several_files_counts() -> None:
    found = printed('{"timestamp": "2030-01-31T09:00:00Z"}')
    found.read(['{"timestamp": "2030-01-31T08:00:00Z"}'])
    assert found.covers(AT)


class Listing:
    """A service with prepared lists, one for each call; the last one is repeated."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def tasks(self, _filters: object) -> list[dict[str, Any]]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        task = {"id": ID, "type": "foo", "state": state, "execute_at": "2030-01-31T08:30:00Z", "attempt": 0}
        return [task | {"created_at": task["execute_at"], "started_at": None, "max_attempts": 1, "result": None}]


def wait(listing: Listing, *, wait_s: float, now: datetime = AT) -> tuple[dict[str, ListedTask], list[float]]:
    pauses: list[float] = []
    service: Service = listing  # type: ignore[assignment]  # its one method that is used
    found = wait_for_all(
        service, [submitted()], wait_s=wait_s, now=now, clock=lambda: float(len(pauses)), pause=pauses.append
    )
    return found, pauses


def test_late_tasks_are_waited_for() -> None:
    found, pauses = wait(Listing("scheduled", "running", "succeeded"), wait_s=60)
    assert found[ID].state == TaskState.SUCCEEDED
    assert len(pauses) == 2


def test_the_wait_is_limited() -> None:
    found, pauses = wait(Listing("running"), wait_s=5)
    assert found[ID].state == TaskState.RUNNING
    assert len(pauses) == 5


def test_tasks_due_after_the_wait_are_not_waited_for() -> None:
    _, pauses = wait(Listing("scheduled"), wait_s=5, now=AT - timedelta(minutes=1))
    assert not pauses

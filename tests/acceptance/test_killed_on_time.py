"""A task that exceeds its timeout is killed, without an effect on other tasks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.client import new_task, seconds
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import is_alive
from tests.patience import patience

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

TIMEOUT_S = 1.0
LATE_S = 5.0  # to start and to end the process on a busy machine; these tasks do not end by themselves
HANGING_TYPES = ("oversleep", "stubborn", "spin")
SHORT_TASKS = 300
MAX_LAG_MS = 8000  # on a busy machine; behind a task that hangs, the lag would be unlimited


@pytest.mark.parametrize("task_type", HANGING_TYPES)
def test_a_task_that_exceeds_its_timeout_is_killed(service: Service, task_type: str) -> None:
    done = service.client.get(service.client.create(task_type)["id"], wait_s=10)
    assert (done["state"], done["result"], done["attempt"]) == ("failed", None, 1)
    assert (done["error"]["type"], done["error"]["attempt"]) == ("timeout", 1)
    assert TIMEOUT_S <= seconds(done["finished_at"]) - seconds(done["started_at"]) < TIMEOUT_S + patience(LATE_S)


def test_the_timeout_of_a_task_overrides_that_of_its_type(service: Service) -> None:
    done = service.client.get(service.client.create("oversleep", timeout_s=0.3)["id"], wait_s=10)
    assert done["error"]["type"] == "timeout"
    assert 0.3 <= seconds(done["finished_at"]) - seconds(done["started_at"]) < 0.3 + patience(LATE_S)


def test_processes_started_by_a_killed_task_are_killed(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "grandchild"
    done = service.client.get(service.client.create("parent", {"file": str(file)})["id"], wait_s=10)
    assert done["error"]["type"] == "timeout"
    pid = int(file.read_text())
    wait_until(lambda: not is_alive(pid), 2, f"the grandchild {pid} has ended")


def test_a_task_that_ends_its_process_fails_with_an_error_type(service: Service) -> None:
    killed = service.client.create("die")["id"]
    exited = service.client.create("quit")["id"]
    done = service.client.wait_final([killed, exited], timeout=10)
    assert [done[each]["state"] for each in (killed, exited)] == ["failed", "failed"]
    assert [done[each]["error"]["type"] for each in (killed, exited)] == ["crashed", "handler_error"]
    assert "SIGKILL" in done[killed]["error"]["message"]


def test_tasks_beside_misbehaving_ones_are_not_affected(service: Service, witness: Witness) -> None:
    """Short tasks over three seconds, and among them misbehaving ones of every type."""
    begin = time.time() + 1.5
    short = [new_task("witness", witness.payload(), execute_at=begin + 3 * n / SHORT_TASKS) for n in range(SHORT_TASKS)]
    misbehaving = [
        new_task(each, execute_at=begin + n) for n in range(3) for each in (*HANGING_TYPES, "die", "quit", "fail")
    ]
    created = service.client.create_many([*short, *misbehaving])
    done = service.client.wait_final([each["id"] for each in created], timeout=25)
    ids = [each["id"] for each in created if each["type"] == "witness"]
    assert {done[each]["state"] for each in ids} == {"succeeded"}
    witness.assert_ran_once(ids)
    assert max(done[each]["lag_ms"] for each in ids) < patience(MAX_LAG_MS)
    for each in (done[each["id"]] for each in created if each["type"] != "witness"):
        expected = {"die": "crashed", "quit": "handler_error", "fail": "handler_error"}.get(each["type"], "timeout")
        assert (each["state"], each["error"]["type"], each["attempt"]) == ("failed", expected, 1)


def test_tasks_that_share_a_child_with_one_that_is_killed_or_crashes_run_once(
    service: Service, witness: Witness
) -> None:
    """Short tasks of a type share a child. Its end affects only the task that it ran; a slow task delays no other."""
    at = time.time() + 1.5

    def body(*, timeout_s: float = 5, **payload: Any) -> Json:
        return new_task("witness", witness.payload(**payload), execute_at=at, timeout_s=timeout_s)

    exceptions = {
        7: (None, body(seconds=1)),
        20: ("crashed", body(die=True)),
        33: ("crashed", body(seconds=0.5, die=True)),
        46: ("timeout", body(seconds=30, timeout_s=1)),
    }
    wanted = [exceptions.get(n % 50, (None, body())) for n in range(SHORT_TASKS)]
    created = service.client.create_many([each for _, each in wanted])
    done = service.client.wait_final([each["id"] for each in created], timeout=25)
    witness.assert_ran_once(list(done))
    for task, (expected, _) in zip(created, wanted, strict=True):
        error = done[task["id"]]["error"]
        assert (error and error["type"]) == expected


def test_what_handlers_leave_behind_affects_no_task_and_does_not_outlive_the_worker(
    new_service: NewService, witness: Witness
) -> None:
    """A handler that returns twice, and threads and processes that continue. The stop checks that nothing is left."""
    service = new_service({"SLOTS": "4"}, worker=1)
    misbehaving = [
        new_task(each, timeout_s=2) for each in ("return-twice", "leave-behind", "close-files") for _ in range(4)
    ]
    ordinary = [new_task("witness", witness.payload()) for _ in range(100)]
    done = service.client.wait_final(
        [each["id"] for each in service.client.create_many([*misbehaving, *ordinary])], timeout=25
    )
    for each in done.values():
        if each["type"] in {"return-twice", "leave-behind"}:
            assert (each["state"], each["result"]) == ("succeeded", each["id"])
        elif each["type"] == "close-files":
            assert (each["state"], each["error"]) == ("succeeded", None)
    witness.assert_ran_once([each["id"] for each in done.values() if each["type"] == "witness"])
    began = time.monotonic()
    service.terminate(service.living("worker"))
    assert time.monotonic() - began < patience(5)

"""Killed on time: a task over its timeout is killed, whatever it does; its neighbours do not notice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.client import new_task, seconds
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import is_alive

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.client import Json
    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

TIMEOUT_S = 1.0
LATE_S = 5.0  # until its process is there and until it is gone, on a busy machine; nobody ends these otherwise
WILD_TYPES = ("oversleep", "stubborn", "spin")
CROWD = 300
CROWD_LAG_MS = 8000  # on a busy machine; behind a task that hangs it would be for ever


@pytest.mark.parametrize("task_type", WILD_TYPES)
def test_a_task_over_its_timeout_is_killed(service: Service, task_type: str) -> None:
    done = service.client.get(service.client.create(task_type)["id"], wait_s=10)
    assert (done["state"], done["result"], done["attempt"]) == ("failed", None, 1)
    assert (done["error"]["type"], done["error"]["attempt"]) == ("timeout", 1)
    assert TIMEOUT_S <= seconds(done["finished_at"]) - seconds(done["started_at"]) < TIMEOUT_S + LATE_S


def test_a_timeout_of_its_own_outranks_that_of_the_type(service: Service) -> None:
    done = service.client.get(service.client.create("oversleep", timeout_s=0.3)["id"], wait_s=10)
    assert done["error"]["type"] == "timeout"
    assert 0.3 <= seconds(done["finished_at"]) - seconds(done["started_at"]) < 0.3 + LATE_S


def test_what_a_killed_task_started_is_gone_too(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "grandchild"
    done = service.client.get(service.client.create("parent", {"file": str(file)})["id"], wait_s=10)
    assert done["error"]["type"] == "timeout"
    pid = int(file.read_text())
    wait_until(lambda: not is_alive(pid), 2, f"the grandchild {pid} is gone")


def test_a_task_that_takes_its_process_down_fails_with_a_name(service: Service) -> None:
    died = service.client.create("die")["id"]
    quitted = service.client.create("quit")["id"]
    done = service.client.wait_final([died, quitted], timeout=10)
    assert [done[each]["state"] for each in (died, quitted)] == ["failed", "failed"]
    assert [done[each]["error"]["type"] for each in (died, quitted)] == ["crashed", "handler_error"]
    assert "SIGKILL" in done[died]["error"]["message"]


def test_neighbours_of_wild_tasks_do_not_notice(service: Service, witness: Witness) -> None:
    """A crowd of short tasks over three seconds, and among them some of every wild kind."""
    begin = time.time() + 1.5
    crowd = [new_task("witness", witness.payload(), execute_at=begin + 3 * n / CROWD) for n in range(CROWD)]
    wild = [new_task(each, execute_at=begin + n) for n in range(3) for each in (*WILD_TYPES, "die", "quit", "fail")]
    created = service.client.create_many([*crowd, *wild])
    done = service.client.wait_final([each["id"] for each in created], timeout=25)
    ids = [each["id"] for each in created if each["type"] == "witness"]
    assert {done[each]["state"] for each in ids} == {"succeeded"}
    witness.assert_ran_once(ids)
    assert max(done[each]["lag_ms"] for each in ids) < CROWD_LAG_MS
    for each in (done[each["id"]] for each in created if each["type"] != "witness"):
        expected = {"die": "crashed", "quit": "handler_error", "fail": "handler_error"}.get(each["type"], "timeout")
        assert (each["state"], each["error"]["type"], each["attempt"]) == ("failed", expected, 1)


def test_the_mates_of_a_task_that_is_killed_or_dies_run_once(service: Service, witness: Witness) -> None:
    """Short tasks of a type share a child; its end costs only the task that it ran, a slow one delays no other."""
    at = time.time() + 1.5

    def body(*, timeout_s: float = 5, **payload: Any) -> Json:
        return new_task("witness", witness.payload(**payload), execute_at=at, timeout_s=timeout_s)

    wild = {
        7: (None, body(seconds=1)),
        20: ("crashed", body(die=True)),
        33: ("crashed", body(seconds=0.5, die=True)),
        46: ("timeout", body(seconds=30, timeout_s=1)),
    }
    wanted = [wild.get(n % 50, (None, body())) for n in range(CROWD)]
    created = service.client.create_many([asked for _, asked in wanted])
    done = service.client.wait_final([each["id"] for each in created], timeout=25)
    witness.assert_ran_once(list(done))
    for task, (expected, _) in zip(created, wanted, strict=True):
        error = done[task["id"]]["error"]
        assert (error and error["type"]) == expected


def test_what_handlers_leave_behind_confuses_nobody_and_does_not_outlive_the_worker(
    new_service: NewService, witness: Witness
) -> None:
    """A process that returns twice, threads and processes that go on; that nothing is left is checked at the stop."""
    service = new_service({"SLOTS": "4"}, worker=1)
    wild = [new_task(each, timeout_s=2) for each in ("return-twice", "leave-behind", "close-files") for _ in range(4)]
    tame = [new_task("witness", witness.payload()) for _ in range(100)]
    done = service.client.wait_final([each["id"] for each in service.client.create_many([*wild, *tame])], timeout=25)
    for each in done.values():
        if each["type"] in {"return-twice", "leave-behind"}:
            assert (each["state"], each["result"]) == ("succeeded", each["id"])
        elif each["type"] == "close-files":
            assert each["error"]["type"] in {"crashed", "timeout"}, (
                "a thread of another may keep its process from ending"
            )
    witness.assert_ran_once([each["id"] for each in done.values() if each["type"] == "witness"])
    began = time.monotonic()
    service.terminate(service.living("worker"))
    assert time.monotonic() - began < 5

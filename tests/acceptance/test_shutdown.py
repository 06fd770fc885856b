"""A deployment under load: all processes stop in order within 30 s, and tasks that had not started run afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.acceptance.claiming import claim_waits
from tests.acceptance.conditions import sleep_until, wait_until
from tests.acceptance.load import create_spread
from tests.acceptance.processes import ROOT
from tests.acceptance.sockets import connections, ends
from tests.faults.network import Network
from tests.patience import patience
from tests.restricted import as_role

if TYPE_CHECKING:
    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

TASKS = 300
SPREAD_S = 4.0
STOP_S = 30.0
LONG_S = 3.0
LATE_S = 5.0
ROUTE = "worker-postgres"


def signal_twice(service: Service) -> None:
    """Send SIGTERM to each process, and again while it stops."""
    for _ in range(2):
        for each in service.processes.values():
            each.send(signal.SIGTERM)
        wait_until(lambda: "worker_stopped" in all_logs(service) or len(service.pids()) < 10, STOP_S, "they stop")


def signal_all(service: Service) -> None:
    """Send SIGTERM to every process, including children that run tasks, as platforms do."""
    for pid in service.pids():
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue


def signal_groups(service: Service) -> None:
    """Send SIGINT to the whole group of each process, as a terminal does for Ctrl-C."""
    for each in service.processes.values():
        os.killpg(each.pid, signal.SIGINT)


@pytest.mark.parametrize("stop", [signal_twice, signal_all, signal_groups])
def test_all_processes_stop_under_load_and_continue_after_a_restart(
    new_service: NewService, witness: Witness, stop: Callable[[Service], None]
) -> None:
    service = new_service()
    every_tenth_is_long = [{"seconds": LONG_S}, *[{}] * 9]
    _, ids = create_spread(service.client, witness, count=TASKS, over_s=SPREAD_S, payloads=every_tenth_is_long)
    wait_until(lambda: len(witness.begun()) > TASKS / 4, SPREAD_S, "a part of the tasks has started")
    expect_codes_of_granian(service)
    stopped_at = time.time()
    stop(service)
    service.terminate(list(service.processes.values()), seconds=max(1.0, stopped_at + STOP_S - time.time()))
    service.wait_until_nothing_is_left()

    begun = {task_id for task_id, _ in witness.begun()}
    assert 0 < len(begun) < TASKS
    service.start(web=1)
    stopped = {each["id"]: each for each in service.client.list_all(type="witness")}
    assert {stopped[each]["state"] for each in begun} == {"succeeded"}, "tasks that had started run to their end"
    waiting = [stopped[each] for each in ids if each not in begun]
    assert {(each["state"], each["attempt"], each["worker_id"]) for each in waiting} == {("scheduled", 0, None)}
    assert {(each["started_at"], each["lag_ms"]) for each in waiting} == {(None, None)}

    service.start(promoter=1, worker=2, sweeper=1, scheduler=1)
    done = service.client.wait_final(ids, timeout=40)
    assert {(each["state"], each["attempt"]) for each in done.values()} == {("succeeded", 1)}
    witness.assert_ran_once(ids)


def test_a_task_that_runs_longer_than_the_grace_period_is_killed_and_recorded(
    new_service: NewService, witness: Witness
) -> None:
    service = new_service({"SHUTDOWN_GRACE_S": "1"})
    create = service.client.create
    endless = witness.payload(until=str(witness.gate))
    once = create("witness", endless, timeout_s=600)["id"]
    again = create("witness", endless, timeout_s=600, max_attempts=2)["id"]
    wait_until(lambda: len(witness.begun()) == 2, 10, "both have started")
    service.terminate(service.living("worker"), seconds=5)
    lost = service.client.get(once)
    assert (lost["state"], lost["error"]["type"], lost["attempt"]) == ("failed", "worker_lost", 1)
    assert service.client.get(again)["state"] == "scheduled"
    witness.gate.touch()
    service.start(worker=1)
    done = service.client.get(again, wait_s=15)
    assert (done["state"], done["attempt"]) == ("succeeded", 2)


def test_a_request_that_waits_is_answered_before_its_process_ends(service: Service) -> None:
    task = service.client.create("noop", delay_s=3600)["id"]
    with service.beside(web=1) as (web,):
        url = f"http://127.0.0.1:{web.port}"
        with connections(url, 1, f"GET /tasks/{task}?wait_s=25 HTTP/1.1\r\nHost: x\r\n\r\n".encode()) as waiting:
            assert service.client.is_ready(url), "a later request is answered, so the first one is being served"
            stopped_at = time.monotonic()
            service.terminate([web])
            (answer,) = ends(waiting, STOP_S)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert time.monotonic() - stopped_at < patience(15)


def test_a_claim_under_way_when_the_worker_is_stopped_is_handed_back(new_service: NewService, witness: Witness) -> None:
    """The claim is committed seconds after the signal. Its handler never starts, so the task must not be lost."""
    service = new_service({"DATABASE_TIMEOUT_S": "20"}, worker=1)
    (worker,) = service.living("worker")
    task = service.client.create("witness", witness.payload(), delay_s=2)["id"]
    with psycopg.connect(service.database_url) as other:
        other.execute("SELECT 1 FROM tasks WHERE id = %s FOR UPDATE", [task])
        wait_until(lambda: claim_waits(service), 15, "the claim waits for the row")
        worker.send(signal.SIGTERM)
        sleep_until(time.time() + LATE_S)
        assert worker.code is None, "the worker waits for the answer"
    assert worker.wait(20) == 0
    handed_back = service.client.get(task)
    assert (handed_back["state"], handed_back["attempt"]) == ("scheduled", 0)
    service.start(worker=1)
    service.client.wait_final([task], timeout=20)
    witness.assert_ran_once([task])


def test_tasks_of_a_claim_without_an_answer_are_handed_back_before_the_worker_ends(
    new_service: NewService, witness: Witness
) -> None:
    """The outcome of the claim is known only later; a worker that is stopped waits for it."""
    service = new_service({"DATABASE_TIMEOUT_S": "5", "HEARTBEAT_S": "5", "DATABASE_PREPARE": "false"}, worker=0)
    with Network({ROUTE: as_role(service.database_url)}) as network:
        service.environment_of["worker"] = {"DATABASE_URL": network.url(ROUTE)}
        (worker,) = service.start(worker=1).living("worker")
        task = service.client.create("witness", witness.payload(), delay_s=2)["id"]
        with psycopg.connect(service.database_url) as other:
            other.execute("SELECT 1 FROM tasks WHERE id = %s FOR UPDATE", [task])
            wait_until(lambda: claim_waits(service), 15, "the claim waits for the row")
            network.become(ROUTE, "mute")
        wait_until(lambda: service.client.get(task)["state"] == "running", 15, "the claim is committed")
        network.become(ROUTE, "open")  # the answer stays lost: the connection is reset
        wait_until(lambda: service.logged("claim_unanswered", "worker"), 15, "the worker has no answer to its claim")
        worker.send(signal.SIGTERM)
        assert worker.wait(STOP_S) == 0
    handed_back = service.client.get(task)
    assert (handed_back["state"], handed_back["attempt"]) == ("scheduled", 0)
    assert witness.begun() == []


def test_any_number_of_signals_at_any_instant_stops_a_process() -> None:
    """A signal must not wait for a lock of the interrupted code, nor arrive when no handler is installed.

    As in all our processes, another thread requests the interpreter's lock from time to time. A single thread that
    spins may never handle a signal that arrives while the interpreter checks for pending calls.
    """
    code = (
        "import threading, time; from app.loop import stop_on_signals as s; e = s()\n"
        "threading.Thread(target=lambda: [time.sleep(0.01) for _ in range(10**6)], daemon=True).start()\n"
        "print(flush=True)\n"
        "while not e.is_set(): e.wait(0)"
    )
    command = [sys.executable, "-c", code]
    for _ in range(8):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
                process.send_signal(number)
            try:
                assert process.wait(30) == 0
            finally:
                process.kill()


def expect_codes_of_granian(service: Service) -> None:
    """Accept further return codes of web processes, although they stop in order.

    1: its children received the signal and ended before granian stopped them. -SIGTERM: another SIGTERM arrived while
    the interpreter ended.
    """
    for each in service.living("web"):
        each.expected_codes = {0, 1, -signal.SIGTERM}


def all_logs(service: Service) -> str:
    """Return the logs of all processes."""
    return "\n".join(each.stderr.read_text() for each in service.processes.values())

"""A worker that cannot run tasks recovers or ends with a code; it says why, and takes no tasks from other workers."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.liveness import EXIT_SOFTWARE
from local.procfile import read_procfile
from tests.acceptance.client import new_task
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import ROOT, descendants, is_alive
from tests.acceptance.service import Service

if TYPE_CHECKING:
    from tests.acceptance.conftest import NewService
    from tests.acceptance.processes import ServiceProcess
    from tests.acceptance.stores import Stores

WITHIN_S = 60.0
MODULES = "workers.handlers,tests.handlers"
CLOSED_PIPE = "import os, sys; r, w = os.pipe(); os.dup2(w, 1); os.dup2(w, 2); os.close(r); os.close(w); "
STREAMS = {
    "stdout closed": "{} >&-",
    "all closed": "{} <&- >&- 2>&-",
    "a full disk": "{} >/dev/full 2>/dev/full",
    "a closed pipe": f"python -c '{CLOSED_PIPE}os.execvp(sys.argv[1], sys.argv[1:])' {{}}",
}
BROKEN = {"a module that fails": "raise RuntimeError", "a module that ends its process": "import os; os._exit(1)"}


@pytest.mark.parametrize("code", BROKEN.values(), ids=BROKEN)
def test_a_worker_whose_children_cannot_import_the_handlers_ends_and_says_why(
    new_service: NewService, tmp_path: Path, code: str
) -> None:
    in_child = "'workers.pool.fork_server' in sys.modules and 'workers.worker.claimer' not in sys.modules"
    (tmp_path / "broken.py").write_text(f"import sys\nif {in_child}:\n    {code}\n")
    service = new_service(worker=1)
    (well,) = service.living("worker")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    service.environment_of["worker"] = {"PYTHONPATH": path, "TASK_MODULES": f"{MODULES},broken"}
    unable = service.launch("worker")
    unable.expected_codes = {EXIT_SOFTWARE}
    ids = service.client.create_batch([new_task("noop", {}) for _ in range(100)])
    done = service.client.wait_final(ids, timeout=WITHIN_S)
    assert {(each["state"], each["attempt"]) for each in done.values()} == {("succeeded", 1)}
    wait_until(lambda: any(each["trouble"] for each in listed(service)) or unable.code, WITHIN_S, "it says why")
    assert unable.wait(WITHIN_S) == EXIT_SOFTWARE
    (said,) = [line for line in unable.log_lines() if '"process_unable"' in line]
    assert "no child can be started" in said
    assert service.client.request("GET", "/stats").json()["counters"]["handed_back"] == 0, "it claims nothing"
    assert well.code is None


def test_a_worker_continues_when_its_fork_server_is_killed_or_frozen(new_service: NewService) -> None:
    service = new_service({"SLOTS": "4"}, worker=1)
    (worker,) = service.living("worker")
    for number in (signal.SIGKILL, signal.SIGSTOP):
        server = fork_server(worker)
        os.kill(server, number)
        for child in descendants(server):
            os.kill(child, signal.SIGKILL)
        ids = service.client.create_batch([new_task("nap", {"seconds": 0.1}) for _ in range(8)])
        done = service.client.wait_final(ids, timeout=WITHIN_S)
        assert {each["state"] for each in done.values()} == {"succeeded"}
        if number == signal.SIGSTOP:
            os.kill(server, signal.SIGCONT)
            wait_until(lambda server=server: not is_alive(server), WITHIN_S, "the old one ends")  # type: ignore[misc]
    assert worker.code is None


def test_more_slots_than_files_are_refused_with_the_numbers(stores: Stores, tmp_path: Path) -> None:
    with Service(stores, tmp_path, {"SLOTS": "100"}, commands={"worker": limited(256, 256)}) as service:
        refused = service.launch("worker")
        refused.expected_codes = {1}
        assert refused.wait(WITHIN_S) == 1
        assert "SLOTS=100 needs 664 open files, and this process may open 256" in refused.stderr.read_text()


def test_the_soft_limit_of_files_is_raised_for_the_worker_and_kept_for_its_children(
    stores: Stores, tmp_path: Path
) -> None:
    with Service(stores, tmp_path, {"SLOTS": "40"}, commands={"worker": limited(128, 4096)}) as service:
        service.start(web=1, promoter=1, sweeper=1, worker=1)
        tasks = [new_task("nap", {"seconds": 3}, execute_at=time.time() + 3) for _ in range(40)]
        done = service.client.wait_final(service.client.create_batch(tasks), timeout=WITHIN_S)
        assert {(each["state"], each["attempt"]) for each in done.values()} == {("succeeded", 1)}
        (worker,) = service.living("worker")
        child = min(descendants(fork_server(worker)))
        assert resource.prlimit(worker.pid, resource.RLIMIT_NOFILE) == (4096, 4096)
        assert resource.prlimit(child, resource.RLIMIT_NOFILE) == (128, 4096)


@pytest.mark.parametrize("wrap", STREAMS.values(), ids=STREAMS)
def test_tasks_that_print_nothing_do_not_need_standard_streams(stores: Stores, tmp_path: Path, wrap: str) -> None:
    kinds = ("web", "promoter", "sweeper", "worker")
    commands = {kind: wrap.format(read_procfile(ROOT / "Procfile")[kind]) for kind in kinds}
    with Service(stores, tmp_path, {}, commands=commands) as service:
        for kind in kinds:
            service.launch(kind)
        (web,) = service.living("web")
        wait_until(lambda: service.client.is_ready(f"http://127.0.0.1:{web.port}"), WITHIN_S, "it serves")
        tasks = [new_task("noop", {}) for _ in range(50)]
        done = service.client.wait_final(service.client.create_batch(tasks), timeout=WITHIN_S)
        assert {(each["state"], each["attempt"]) for each in done.values()} == {("succeeded", 1)}
        for each in service.living("web"):
            each.expected_codes = {0, 1, -signal.SIGTERM}


def listed(service: Service) -> list[dict[str, object]]:
    """Return the workers of GET /stats."""
    workers: list[dict[str, object]] = service.client.request("GET", "/stats").json()["workers"]
    return workers


def fork_server(worker: ServiceProcess) -> int:
    """Return the process id of the fork server in use: the youngest."""
    found = [pid for pid in descendants(worker.pid) if "workers.pool.fork_server" in command(pid)]
    direct = [pid for pid in found if f"PPid:\t{worker.pid}\n" in Path(f"/proc/{pid}/status").read_text()]
    return max(direct)


def command(pid: int) -> str:
    """Return the command line of a process; children of a fork server have the same."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def limited(soft: int, hard: int) -> str:
    """Return the command of a worker that may open this number of files."""
    return f"sh -c 'ulimit -Sn {soft} && ulimit -Hn {hard} && exec python -m workers.worker'"

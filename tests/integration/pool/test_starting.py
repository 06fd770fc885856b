"""Starts of children: a failed start affects only its own chunk and is tried again; nothing is claimed for it."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import descendants, is_alive
from tests.failing_forks import VARIABLE
from tests.integration.pool.results import PATIENCE_S, Results, claim, error, message
from workers.pool.pool import DurationStats, Pool
from workers.pool.protocol import Failure
from workers.pool.slot import MAX_FILES, ProcessSlot

if TYPE_CHECKING:
    from app.config import Settings
    from app.task import Claim
    from app.task_types import TaskTypes

NewPool = Callable[..., Pool]
BrokenModule = Callable[[str], None]


@pytest.fixture
def new_pool(types: TaskTypes, settings: Settings, results: Results) -> Iterator[NewPool]:
    """A factory of pools whose children import further modules."""
    os.environ["TASK_MODULES"] = settings.task_modules
    made: list[Pool] = []

    def make(*modules: str, slots: int = 4) -> Pool:
        all_modules = [*settings.modules, *modules]
        made.append(Pool(types, slots=slots, durations=DurationStats(), results=results, modules=all_modules))
        return made[-1]

    yield make
    for pool in made:
        pool.kill_all(Failure("worker_lost", "the test is over"))
        pool.close()


@pytest.fixture
def no_forks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file; while it exists, no child can be forked."""
    file = tmp_path / "no-forks"
    monkeypatch.setenv(VARIABLE, str(file))
    return file


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BrokenModule:
    """Add a module to TASK_MODULES that can be imported in this process, and runs a line of code in children."""
    name = "broken_in_children"

    def make(code: str) -> None:
        in_child = "'workers.pool.fork_server' in sys.modules and 'pytest' not in sys.modules"
        (tmp_path / f"{name}.py").write_text(f"import sys\nif {in_child}:\n    {code}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("TASK_MODULES", f"workers.handlers,tests.handlers,{name}")

    return make


def test_no_slot_is_free_before_the_first_child_is_ready(pool: Pool) -> None:
    pool.prepare()
    assert pool.free_slots.count == 0
    wait_until(lambda: pool.free_slots.count == 4, PATIENCE_S, "it is ready")
    assert pool.has_children()
    assert pool.start_trouble() is None


def test_while_no_child_can_be_forked_no_slot_is_free_and_afterwards_all_are(
    new_pool: NewPool, results: Results, no_forks: Path
) -> None:
    no_forks.touch()
    pool = new_pool("tests.failing_forks")
    chunk = [claim("noop") for _ in range(4)]
    pool.run(chunk)
    assert {each.id for each in results.wait_for_unused(4)} == {each.id for each in chunk}
    wait_until(lambda: pool.free_slots.withheld == 4, PATIENCE_S, "all slots are withheld")
    trouble = pool.start_trouble()
    assert trouble
    assert trouble.reason == f"cannot fork: {os.strerror(11)}"
    assert not pool.has_children()
    no_forks.unlink()
    wait_until(lambda: pool.free_slots.count == 4, PATIENCE_S, "a start succeeds")
    assert pool.start_trouble() is None
    pool.run(again := [claim("noop") for _ in range(4)])
    assert results.wait_for(4).keys() == {each.id for each in again}


def test_a_failed_fork_affects_no_running_task_and_idle_children_are_used(
    new_pool: NewPool, results: Results, no_forks: Path, tmp_path: Path
) -> None:
    pool = new_pool("tests.failing_forks")
    long = begin(pool, tmp_path / "long", seconds=60)
    pool.run([claim("noop")])
    results.wait_for(1)
    wait_until(lambda: pool.free_slots.count == 3, PATIENCE_S, "its child is idle")
    no_forks.touch()
    pool.run([claim("nap", seconds=0.2) for _ in range(3)])  # one child is idle, two starts fail
    assert results.wait_for(1)
    assert len(results.wait_for_unused(2)) == 2
    wait_until(lambda: pool.free_slots.count == 1, PATIENCE_S, "the idle child's slot is free, and no other")
    for _ in range(20):
        pool.run([claim("noop")])
        results.wait_for(1)
        wait_until(lambda: pool.free_slots.count == 1, PATIENCE_S, "it is free again")
    assert pool.slot_of(long.id)
    assert results.nothing_more()


def test_without_file_descriptors_a_failed_start_affects_only_its_own_chunk(
    pool: Pool, results: Results, tmp_path: Path
) -> None:
    long = begin(pool, tmp_path / "long", seconds=60)
    with no_more_files():
        pool.run(chunk := [claim("noop") for _ in range(2)])
        assert {each.id for each in results.wait_for_unused(2)} == {each.id for each in chunk}
    wait_until(lambda: pool.free_slots.count == 3, PATIENCE_S, "a start succeeds")
    assert pool.slot_of(long.id)
    pool.run([claim("noop"), claim("thread-nap", seconds=0)])
    assert all(each.error is None for each in results.wait_for(2).values())


def test_a_fork_server_without_file_descriptors_survives_and_reports_it(
    pool: Pool, results: Results, tmp_path: Path
) -> None:
    long = begin(pool, tmp_path / "long", seconds=60)
    server = parent_of(pool, long)
    before = resource.prlimit(server, resource.RLIMIT_NOFILE)
    used = len(list(Path(f"/proc/{server}/fd").iterdir()))
    for spare in range(4):
        resource.prlimit(server, resource.RLIMIT_NOFILE, (used + spare, before[1]))
        pool.run([claim("nap", seconds=0.1) for _ in range(3)])
        wait_until(lambda: results.outcomes.qsize() + results.handed_back.qsize() == 3, PATIENCE_S, "all are settled")
        results.wait_for(results.outcomes.qsize())
        results.wait_for_unused(results.handed_back.qsize())
        resource.prlimit(server, resource.RLIMIT_NOFILE, before)
        wait_until(lambda: pool.free_slots.count == 3, PATIENCE_S, "a start succeeds")
    assert parent_of(pool, long) == server
    assert pool.slot_of(long.id)


def test_a_killed_fork_server_is_replaced_and_its_running_tasks_end_as_crashed(
    pool: Pool, results: Results, tmp_path: Path
) -> None:
    long = begin(pool, tmp_path / "long", seconds=60)
    children = descendants(server := parent_of(pool, long))
    os.kill(server, signal.SIGKILL)
    outcome = results.wait_for(1)[long.id]
    assert error(outcome) == "crashed"
    assert "fork server" in message(outcome)
    assert not any(map(is_alive, children))
    wait_until(lambda: pool.free_slots.count == 4, PATIENCE_S, "a new one is used")
    pool.run([claim("noop") for _ in range(4)])
    assert all(each.error is None for each in results.wait_for(4).values())


def test_a_frozen_fork_server_is_replaced_and_its_running_tasks_go_on(
    pool: Pool, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.pool.children.FORK_LIMIT_S", 0.5)
    long = begin(pool, tmp_path / "long", seconds=60)
    server = parent_of(pool, long)
    os.kill(server, signal.SIGSTOP)
    pool.run(chunk := [claim("noop")])
    assert [each.id for each in results.wait_for_unused(1)] == [chunk[0].id]
    wait_until(lambda: pool.free_slots.count == 3, PATIENCE_S, "a new one is used")
    pool.run(others := [claim("noop") for _ in range(3)])
    assert results.wait_for(3).keys() == {each.id for each in others}
    os.kill(server, signal.SIGCONT)  # it starts the child that was given up, which begins nothing
    assert pool.slot_of(long.id)
    pool.cancel(long.id)
    assert results.wait_for(1).keys() == {long.id}
    wait_until(lambda: not is_alive(server), PATIENCE_S, "the old one ends with its last child")
    assert results.nothing_more()


@pytest.mark.parametrize("folder", ["x" * 100, "missing", "file"])
def test_children_need_no_folder_for_temporary_files(
    new_pool: NewPool, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """A socket there would need a short path, and cleaning jobs would remove it after days."""
    place = tmp_path / folder
    if folder == "file":
        place.touch()
    elif folder != "missing":
        place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    pool = new_pool()
    pool.run([claim("noop") for _ in range(4)])
    assert all(each.error is None for each in results.wait_for(4).values())
    if place.is_dir():
        assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('secret')", "its child ended: RuntimeError"),
        (
            "raise ImportError('lost')",
            "its child ended: BadTaskType: TASK_MODULES names 'broken_in_children': lost",
        ),
        ("raise SystemExit(3)", "its child ended: SystemExit"),
        ("import os; os._exit(3)", "its child ended with status 3 before it was ready"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "its child ended with status -11 before it was ready",
        ),
    ],
)
def test_a_module_that_fails_in_children_only_is_named(
    new_pool: NewPool, results: Results, broken: BrokenModule, code: str, reason: str
) -> None:
    broken(code)
    pool = new_pool()
    pool.run([lost := claim("noop")])
    assert [each.id for each in results.wait_for_unused(1)] == [lost.id]
    trouble = pool.start_trouble()
    assert trouble
    assert trouble.reason.partition(" (")[0] == reason  # without the place in the file
    assert pool.free_slots.count == 0


def test_a_module_that_hangs_in_children_only_is_noticed(
    new_pool: NewPool, results: Results, broken: BrokenModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.pool.slot_source.START_LIMIT_S", 1.0)
    broken("import time; time.sleep(600)")
    pool = new_pool()
    pool.run([lost := claim("noop")])
    assert [each.id for each in results.wait_for_unused(1)] == [lost.id]
    trouble = pool.start_trouble()
    assert trouble
    assert "not ready in time" in trouble.reason
    assert time.monotonic() - trouble.since >= 1.0, "it counts from the beginning of the start"


@pytest.mark.parametrize("code", ["import time; time.sleep(600)", "import os; os._exit(9)"])
def test_a_module_that_hangs_or_ends_the_fork_server_is_noticed(
    new_pool: NewPool, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr("workers.pool.slot_source.START_LIMIT_S", 2.0)
    (tmp_path / "broken_in_server.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    pool = new_pool("broken_in_server")
    pool.run([lost := claim("noop")])
    assert [each.id for each in results.wait_for_unused(1)] == [lost.id]
    wait_until(lambda: bool(pool.start_trouble()), PATIENCE_S, "it is noticed")


def test_a_slot_opens_no_more_files_than_its_limit(pool: Pool, results: Results) -> None:
    """The worker uses this number to check the limit of open files against its slots."""
    pool.run([claim("noop") for _ in range(1)])
    results.wait_for(1)
    before = open_files()
    pool.run([claim("nap", seconds=0.5) for _ in range(4)])
    results.wait_for(4)
    assert 0 < open_files() - before <= 3 * MAX_FILES


def test_no_other_process_can_connect_to_the_fork_server(pool: Pool, results: Results, tmp_path: Path) -> None:
    """None of its sockets has a path."""
    long = begin(pool, tmp_path / "long", seconds=60)
    server = parent_of(pool, long)
    links = [str(each.readlink()) for each in Path(f"/proc/{server}/fd").iterdir()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:")}
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    named = [row for row in rows if row[6] in inodes and len(row) > 7]
    assert len(inodes) >= 1
    assert named == []


def test_requests_of_other_threads_do_not_wait_for_a_blocked_supervisor(pool: Pool) -> None:
    may_continue = threading.Event()
    pool._supervisor.ask(lambda: may_continue.wait(PATIENCE_S))
    for _ in range(100_000):  # more than its pipe holds
        pool._supervisor.ask()
    may_continue.set()
    assert pool.is_supervised(PATIENCE_S)


def begin(pool: Pool, file: Path, *, seconds: float) -> Claim:
    """Run a task and wait until it has begun."""
    task = claim("witness", file=str(file), seconds=seconds, timeout_s=90)
    pool.run([task])
    wait_until(file.exists, PATIENCE_S, "it runs")
    return task


def parent_of(pool: Pool, task: Claim) -> int:
    """Return the process id of the fork server of a running task."""
    slot = pool.slot_of(task.id)
    assert isinstance(slot, ProcessSlot)
    fields = Path(f"/proc/{slot.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def open_files() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


@contextmanager
def no_more_files() -> Iterator[None]:
    """Prevent this process from opening files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(int(each.name) for each in Path("/dev/fd").iterdir()) + 1, hard))
    try:
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in held:
            os.close(each)

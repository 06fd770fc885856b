"""Processes of the previous release and of this one share the servers, on the schema of this one.

The previous release is taken from the history of the repository, which a shallow clone does not have. There only
tests/integration/test_upgrades.py checks the rule, with the recorded statements.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.procfile import read_procfile
from tests.acceptance.client import new_task
from tests.acceptance.processes import ROOT
from tests.acceptance.service import Service

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.stores import Stores
    from tests.acceptance.witness import Witness

PREVIOUS = (ROOT / "tests" / "upgrades" / "PREVIOUS").read_text().strip()  # a commit or tag
TASKS = 60
COMMANDS = {name: line for name, line in read_procfile(ROOT / "Procfile").items() if name != "release"}


def exported() -> bytes | None:
    """Return the previous release as a tar file; None if the repository does not have it."""
    try:
        done = subprocess.run(["git", "archive", PREVIOUS], cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


ARCHIVE = exported()
pytestmark = pytest.mark.skipif(ARCHIVE is None, reason=f"the history of this clone does not reach back to {PREVIOUS}")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The commands of the previous release."""
    folder: Path = tmp_path_factory.mktemp("previous")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=ARCHIVE, check=True)
    python = f"env PYTHONPATH={folder} sh -c 'cd {folder} && exec {sys.executable}"
    return {name: f"{line.replace('python', python, 1)}'" for name, line in COMMANDS.items()}


@pytest.mark.parametrize("is_old", [("worker",), ("web", "promoter", "sweeper", "scheduler"), ("promoter", "sweeper")])
def test_processes_of_two_releases_run_each_task_once(
    stores: Stores, old: dict[str, str], witness: Witness, tmp_path: Path, is_old: tuple[str, ...]
) -> None:
    """The processes in `is_old` are of the previous release. Later a worker of the other release runs beside them."""
    commands = {name: old[name] for name in is_old} | {"other_worker": COMMANDS["worker"], "old_worker": old["worker"]}
    other = "other_worker" if "worker" in is_old else "old_worker"
    with Service(stores, tmp_path / "service", {}, commands=commands) as service:
        service.start(web=1, promoter=1, worker=1, sweeper=1, scheduler=1)
        run_once(service, witness)
        with service.beside(**{other: 1}):
            run_once(service, witness)


def run_once(service: Service, witness: Witness) -> None:
    """Create tasks, some with retries and some due later, and assert that each runs once."""
    limits: list[Json] = [{}, {"max_attempts": 2}, {"delay_s": 1}]
    wanted = [new_task("witness", witness.payload(), **limits[n % len(limits)]) for n in range(TASKS)]
    ids = service.client.create_batch(wanted)
    done = service.client.wait_final(ids, timeout=90, type="witness")
    assert {(each["state"], each["attempt"]) for each in done.values()} == {("succeeded", 1)}
    assert {begun for begun in witness.begun() if begun[0] in done} == {(each, 1) for each in ids}
    assert len(witness.begun()) == len(set(witness.begun()))

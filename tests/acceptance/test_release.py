"""`release` prints what it has done."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.ledger.server import needed_version
from local.procfile import RELEASE, read_procfile
from tests.acceptance.processes import ROOT
from tests.acceptance.stores import with_venv_first

if TYPE_CHECKING:
    from tests.acceptance.stores import Stores

COMMAND = read_procfile(ROOT / "Procfile")[RELEASE]
MIGRATIONS = list(reversed(list(ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini"))).walk_revisions())))
FULL_STOPS = {each.revision for each in MIGRATIONS if getattr(each.module, "FULL_STOP", None)}
BEFORE_STOPS = "0004"


def run(url: str, command: str = COMMAND) -> subprocess.CompletedProcess[str]:
    environment = with_venv_first(os.environ | {"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:9/0"})
    return subprocess.run(
        f"exec {command}", shell=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def test_a_release_names_each_migration_that_it_runs_and_then_has_nothing_to_do(stores: Stores) -> None:
    url = stores.unreleased_database()
    first = run(url).stdout.splitlines()
    assert first == [
        *(f"release: {each.revision} {each.doc}" for each in MIGRATIONS),
        f"release: done, the schema is at {needed_version()}",
    ], "a new database needs no stop"
    assert run(url).stdout == f"release: the schema is at {needed_version()}, nothing to do\n"


def test_a_release_names_the_migrations_that_need_a_full_stop(stores: Stores) -> None:
    url = stores.unreleased_database()
    run(url, f"{sys.executable} -m alembic upgrade {BEFORE_STOPS}")
    lines = run(url).stdout.splitlines()
    assert {line.split()[1] for line in lines if "needs a full stop" in line} == FULL_STOPS >= {"0005", "0007"}
    assert not [line for line in lines if line.split()[1] <= BEFORE_STOPS]


def test_a_release_changes_nothing_in_the_schema_of_a_later_one(stores: Stores) -> None:
    url = stores.unreleased_database()
    run(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        done = run(url)
        assert (done.returncode, done.stdout) == (
            1, "The release does not run: the schema is at 9999, which this release does not know.\n"
        )  # fmt: skip
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)

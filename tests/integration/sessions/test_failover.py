"""A real failover: a standby is refused; once it is the primary, every engine uses it without a restart."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from app.api.resources.health import ask_postgres
from app.config import read_settings
from app.connections import connect_postgres
from app.errors import LedgerReadOnly, LedgerUnavailable
from app.ledger import server, tasks
from app.ledger.calls import reason
from local import postgres
from local.place import change_owner, data_folder, server_user
from tests.acceptance.stores import freeze, thaw
from tests.conftest import ROOT
from tests.integration.sessions.test_servers import hosts
from tests.making import new_task

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from local.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def primary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A migrated Postgres of its own."""
    with tempfile.TemporaryDirectory(prefix="punctual-failover-") as name:
        Path(name).chmod(0o755)
        made = postgres.start(Path(name, "primary"), fast=True)
        monkeypatch.setenv("DATABASE_URL", made.url)
        monkeypatch.setenv("REDIS_URL", "redis://nowhere")
        command.upgrade(Config(str(ROOT / "alembic.ini")), "head")
        yield made
        made.discard()


@pytest.fixture
def standby(primary: Server) -> Iterator[Server]:
    """A hot standby of `primary`."""
    directory = primary.program.directory.with_name("standby")
    directory.mkdir()
    room = data_folder(directory)
    backup = Path(primary.program.command(1)[0]).with_name("pg_basebackup")
    subprocess.run(
        [str(backup), "--pgdata", str(room / "data"), "--dbname", primary.url, "--write-recovery-conf",
         "--checkpoint", "fast"],
        env=dict(primary.program.environment), check=True, capture_output=True,
    )  # fmt: skip
    for each in (room / "data", *(room / "data").rglob("*")):
        change_owner(each, server_user())
    shutil.copy(primary.program.directory / "password", directory / "password")
    made = postgres.start(directory, fast=True)
    yield made
    made.discard()


def connected_to(url: str) -> Engine:
    return connect_postgres(read_settings({"DATABASE_URL": url, "REDIS_URL": "redis://nowhere"}), name="test", pool=2)


def promote(server: Server) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        assert connection.execute("SELECT pg_promote()").fetchone() == (True,)


def test_a_standby_is_refused_until_it_is_the_primary(primary: Server, standby: Server) -> None:
    engine = connected_to(standby.url)
    for _ in range(3):
        with pytest.raises(LedgerReadOnly):
            tasks.insert(engine, [new_task()])
        with pytest.raises(LedgerUnavailable) as refused:  # what it shows may be old
            server.clock(engine)
        assert reason(refused.value) == "is read-only"
        assert ask_postgres([engine]) == "is read-only"
    primary.stop()
    promote(standby)
    assert len(tasks.insert(engine, [new_task()])) == 1
    assert ask_postgres([engine]) == "ok"
    engine.dispose()


def test_of_two_hosts_the_one_that_becomes_the_primary_is_used_at_once(primary: Server, standby: Server) -> None:
    engine = connected_to(hosts(primary.url, f"127.0.0.1:{standby.port}"))
    before, after = new_task(), new_task()
    assert len(tasks.insert(engine, [before])) == 1
    primary.stop()
    promote(standby)
    assert len(tasks.insert(engine, [after])) == 1
    assert tasks.get(engine, after.id).type == after.type
    assert ask_postgres([engine]) == "ok"
    engine.dispose()


def test_of_two_hosts_a_frozen_one_delays_no_call_for_long(primary: Server, standby: Server) -> None:
    """The call to it is aborted, and repeated on the other host, although the frozen one accepts connections."""
    engine = connected_to(hosts(primary.url, f"127.0.0.1:{standby.port}"))
    assert len(tasks.insert(engine, [new_task()])) == 1
    freeze(primary)
    try:
        promote(standby)
        assert len(tasks.insert(engine, [new_task()])) == 1
        assert ask_postgres([engine]) == "ok"
    finally:
        thaw(primary)
    engine.dispose()

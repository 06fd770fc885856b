"""DATABASE_SCHEMA: several installations in one Postgres do not see each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from msgspec.structs import replace
from sqlalchemy import event, text

from app.config import read_settings
from app.connections import connect_postgres
from app.errors import InvalidSetting, LedgerUnavailable, TaskNotFound
from app.ledger import claims, repairs, server, statistics, tasks, workers
from app.ledger.listing import Filter, list_tasks
from app.ledger.server import needed_version, present_version
from app.operations import Operations
from app.task import TaskState
from tests.conftest import ROOT
from tests.making import NOWHERE, ids, make

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.config import Settings
    from app.task_types import TaskTypes

SCHEMA = "another_installation"


@pytest.fixture
def elsewhere(owners: dict[str, str], owner: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of an installation in a schema of its own, migrated from nothing."""
    monkeypatch.setenv("DATABASE_URL", owners["DATABASE_URL"])
    monkeypatch.setenv("DATABASE_SCHEMA", SCHEMA)
    for _ in range(2):  # the second upgrade changes nothing
        command.upgrade(Config(str(ROOT / "alembic.ini")), "head")
    yield read_settings(owners | {"DATABASE_SCHEMA": SCHEMA})
    with owner.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))


def test_an_installation_in_a_schema_sees_only_its_own_rows(
    elsewhere: Settings, engine: Engine, operations: Operations, due_set: DueSet, types: TaskTypes
) -> None:
    theirs = connect_postgres(elsewhere, name="elsewhere", pool=2)
    other = Operations(theirs, due_set, types, window_s=3600)
    (mine,), (their_task,) = make(operations), make(other)
    assert present_version(theirs) == needed_version() == present_version(engine)
    assert [each.id for each in list_tasks(engine, Filter(), limit=10).tasks] == [mine.id]
    assert [each.id for each in list_tasks(theirs, Filter(), limit=10).tasks] == [their_task.id]
    with pytest.raises(TaskNotFound):
        tasks.get(engine, their_task.id)
    token = claims.new_token()
    both = ids([mine, their_task])
    won = claims.claim(theirs, both, worker_id="w", types=["noop"], token=token, asked_at=0.0).mine
    assert [each.id for each in won] == [str(their_task.id)]
    assert statistics.overdue(engine).tasks == 1
    assert statistics.overdue(theirs).tasks == 0
    assert list(repairs.types_due(engine, until=server.clock(engine))) == ["noop"]
    assert repairs.types_due(theirs, until=server.clock(theirs)) == {}
    workers.heartbeat(theirs, "w", queue="default", slots=1)
    assert workers.known(engine) == []
    silent = repairs.Silent(workers.heartbeats(theirs))
    assert [each.id for each in repairs.rescue(theirs, silent, limit=10)] == [str(their_task.id)]
    assert tasks.get(engine, mine.id).state is TaskState.SCHEDULED
    theirs.dispose()


def test_a_pooler_that_hides_the_schema_is_noticed(elsewhere: Settings) -> None:
    """The pooler connects with its own settings. Tasks must not be created in another installation's schema."""
    hidden = connect_postgres(replace(elsewhere, database_schema="a_schema_that_is_not_passed_on"), name="hidden")

    def without_options(_: object, __: object, ___: object, parameters: dict[str, str]) -> None:
        del parameters["options"]

    event.listen(hidden, "do_connect", without_options)
    with pytest.raises(LedgerUnavailable):
        server.clock(hidden)
    hidden.dispose()


@pytest.mark.parametrize(
    "name",
    ["Capital", "with space", "1st", "semi;colon", "x" * 64, "a.b", 'quo"te', "pg\n", "pg_mine", "information_schema"],
)
def test_an_invalid_schema_name_is_refused_at_start(name: str) -> None:
    with pytest.raises(InvalidSetting, match="DATABASE_SCHEMA"):
        read_settings(NOWHERE | {"DATABASE_SCHEMA": name})

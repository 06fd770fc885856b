"""The files in docs/ that restrict the service's processes: they allow what is needed and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.restricted import ROLE, USER

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.config import Settings

OUT_OF_REACH = (
    "FLUSHALL", "CONFIG GET *", "KEYS *", "EVAL x 0", "SCRIPT FLUSH", "ACL LIST", "BGREWRITEAOF", "SHUTDOWN",
    "REPLICAOF NO ONE", "MODULE LIST", "MONITOR", "CLIENT KILL ID 1", "GET other", "GET rq:queues", "PUBLISH other x",
    "SUBSCRIBE other",
)  # fmt: skip


@pytest.mark.parametrize("command", OUT_OF_REACH)
def test_a_process_can_do_in_redis_only_what_it_needs(settings: Settings, command: str) -> None:
    with Redis.from_url(settings.redis_url) as redis, pytest.raises(NoPermissionError):
        redis.execute_command(*command.split())


def test_connecting_to_redis_uses_no_refused_command(redis: Redis, harm: Redis) -> None:
    harm.acl_log_reset()
    redis.connection_pool.disconnect()
    redis.ping()
    assert [entry for entry in harm.acl_log() if entry["username"] == USER] == []


def test_the_role_of_postgres_reaches_every_table_and_owns_none(owner: Engine) -> None:
    reach = (
        "SELECT tablename, has_table_privilege(:role, quote_ident(tablename), 'SELECT'), tableowner"
        " FROM pg_tables WHERE schemaname = 'public'"
    )
    with owner.connect() as connection:
        found = {name: (reached, whose) for name, reached, whose in connection.execute(text(reach), {"role": ROLE})}
    assert {"tasks", "workers", "counters", "api_keys", "alembic_version"} <= found.keys()
    assert [name for name, (reached, _) in found.items() if not reached] == []
    assert ROLE not in {whose for _, whose in found.values()}


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE tasks",
        "DROP TABLE workers",
        "CREATE TABLE more (x int)",
        "ALTER TABLE tasks DISABLE TRIGGER ALL",
        "UPDATE alembic_version SET version_num = ''",
        "DELETE FROM counters",
        "SET session_replication_role = replica",
        "SELECT pg_read_file('/etc/passwd')",
        "CREATE ROLE another",
    ],
)
def test_a_process_can_do_in_postgres_only_what_it_needs(engine: Engine, statement: str) -> None:
    with engine.connect() as connection, pytest.raises(ProgrammingError, match=r"permission|must be owner"):
        connection.execute(text(statement))

"""Sessions behind PgBouncer, which assigns a connection to another client after each transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from app.cli.doctor.finding import Level
from app.cli.doctor.servers import check_session
from app.config import read_settings
from app.connections import connect_postgres
from app.ledger.server import in_force, needed_version, present_version, shared
from app.ledger.tasks import stored
from app.postgres_sessions import session_settings
from tests import pgbouncer
from tests.acceptance.stores import release
from tests.pgbouncer import leads_to
from tests.restricted import as_role

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from local.server import Server
    from tests.acceptance.stores import Stores

    Connect = Callable[[str], Engine]

EXPECTED = session_settings(read_settings({"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere"}))
PREPARED = "SELECT count(*) FROM pg_prepared_statements"


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect as the processes do."""
    made: list[Engine] = []

    def connect_to(url: str) -> Engine:
        made.append(connect_postgres(read_settings({"DATABASE_URL": url, "REDIS_URL": "redis://nowhere"}), name="test"))
        return made[-1]

    yield connect_to
    for each in made:
        each.dispose()


def test_the_settings_are_in_force_because_the_role_has_them(stores: Stores, bouncer: Server, connect: Connect) -> None:
    url = stores.new_database()
    assert in_force(connect(as_role(leads_to(bouncer, url))), EXPECTED) == EXPECTED


def test_the_doctor_reports_settings_that_the_role_lacks_and_its_remedy_works(
    stores: Stores, bouncer: Server, connect: Connect
) -> None:
    url = stores.new_database()
    assert check_session(EXPECTED, in_force(connect(url), EXPECTED)).level is Level.OK, "each session sets them"
    through = leads_to(bouncer, url)
    problem = check_session(EXPECTED, in_force(connect(through), EXPECTED))
    assert problem.level is Level.FAIL
    assert "statement_timeout is 0, not 5000" in problem.said
    try:
        with psycopg.connect(through, autocommit=True) as owner:
            for statement in re.findall(r"ALTER ROLE [^;]+;", problem.remedy):
                owner.execute(statement.encode())
        bouncer.restart()
        assert check_session(EXPECTED, in_force(connect(through), EXPECTED)).level is Level.OK
    finally:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("ALTER ROLE CURRENT_USER RESET ALL")


@pytest.mark.parametrize("pooled", [True, False], ids=["through PgBouncer", "directly"])
def test_no_statement_is_prepared_through_pgbouncer(
    stores: Stores, bouncer: Server, connect: Connect, *, pooled: bool
) -> None:
    """On the next connection, the same name may belong to another prepared statement."""
    url = stores.new_database()
    engine = connect(leads_to(bouncer, url) if pooled else url)
    for _ in range(5):
        stored(engine, [])
    with engine.connect() as connection:
        row = connection.exec_driver_sql(PREPARED).one()
    assert (shared(engine), row[0]) == (pooled, 0 if pooled else 1)


def test_a_pooler_that_refuses_options_is_used_with_the_settings_of_the_role(
    stores: Stores, connect: Connect, tmp_path: Path
) -> None:
    url = stores.new_database()
    refusing = pgbouncer.start(tmp_path / "refusing", stores.postgres.url, without="ignore_startup_parameters")
    try:
        with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
            psycopg.connect(leads_to(refusing, url), options="-c statement_timeout=5000")
        engine = connect(as_role(leads_to(refusing, url)))
        assert shared(engine)
        assert in_force(engine, EXPECTED) == EXPECTED
        assert check_session(EXPECTED, in_force(connect(leads_to(refusing, url)), EXPECTED)).level is Level.FAIL
        release(leads_to(refusing, url))
    finally:
        refusing.discard()


def test_two_concurrent_releases_migrate_an_empty_database(stores: Stores, bouncer: Server, connect: Connect) -> None:
    url = leads_to(bouncer, stores.unreleased_database())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(release, [url, url]))
    assert present_version(connect(url)) == needed_version()

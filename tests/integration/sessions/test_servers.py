"""Servers that cannot be used as they are, and several hosts in DATABASE_URL."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from app import postgres_sessions
from app.cli.doctor.finding import Finding, Level
from app.cli.doctor.servers import check_postgres
from app.config import read_settings
from app.connections import connect_postgres
from app.errors import LedgerUnavailable
from app.ledger import server
from app.ledger.calls import reason
from app.ledger.watchdog import addresses, responds
from tests.conftest import ROOT

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.config import Settings
    from tests.integration.sessions.conftest import Defaults

DATABASE = "CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER libc"
ENCODINGS = ["SQL_ASCII", "LATIN1", "WIN1252", "EUC_JP"]


@pytest.fixture(params=ENCODINGS)
def encoded(request: pytest.FixtureRequest, owner: Engine, owners: dict[str, str]) -> Iterator[tuple[str, Settings]]:
    """An encoding, and settings with a database that has it."""
    encoding: str = request.param
    name = f"in_{encoding.lower()}"
    with owner.connect() as connection:
        connection.execute(text(DATABASE.format(name=name, encoding=encoding)))
        url = urlsplit(owners["DATABASE_URL"])._replace(path=f"/{name}").geturl()
        yield encoding, read_settings(owners | {"DATABASE_URL": url})
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_database_with_another_encoding_is_refused_with_one_sentence(encoded: tuple[str, Settings]) -> None:
    encoding, settings = encoded
    engine = connect_postgres(settings, name="encoded", pool=1)
    with pytest.raises(LedgerUnavailable) as refused:
        server.clock(engine)
    assert f"a database with the encoding {encoding}, which must be UTF8" in reason(refused.value)
    with pytest.raises(SystemExit, match=f"^The worker does not start: DATABASE_URL names .* {encoding}.*template0"):
        server.exit_if_unsuitable(engine, "worker")
    (finding,) = check_postgres(engine, settings)
    assert (finding.check, finding.level) == ("postgres", Level.FAIL)
    assert encoding in finding.said
    engine.dispose()


def test_the_release_refuses_a_database_with_another_encoding(
    encoded: tuple[str, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding, settings = encoded
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    with pytest.raises(SystemExit, match=f"^The release does not run: DATABASE_URL names .* {encoding}"):
        command.upgrade(Config(str(ROOT / "alembic.ini")), "head")


def test_an_old_server_is_refused_with_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_sessions, "OLDEST_POSTGRES", 99)
    engine = connect_postgres(settings, name="old", pool=1)
    with pytest.raises(SystemExit, match=r"^The sweeper does not start: .* 99 is the oldest version that works\.$"):
        server.exit_if_unsuitable(engine, "sweeper")


def test_a_process_starts_while_no_server_answers() -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9"}
    server.exit_if_unsuitable(connect_postgres(read_settings(nowhere), name="nowhere", pool=1), "worker")


def test_the_doctor_reports_a_database_that_is_read_only(
    engine: Engine, settings: Settings, defaults: Defaults
) -> None:
    assert of("writes", engine, settings).level is Level.OK
    with defaults(default_transaction_read_only="on"):
        assert of("writes", engine, settings).level is Level.FAIL


def test_the_doctor_warns_about_commits_that_may_be_lost(
    engine: Engine, settings: Settings, defaults: Defaults
) -> None:
    with defaults(synchronous_commit="off"):
        found = of("durability", engine, settings)
    assert (found.level, "synchronous_commit" in found.said) == (Level.WARN, True)


def of(check: str, engine: Engine, settings: Settings) -> Finding:
    return next(each for each in check_postgres(engine, settings) if each.check == check)


def hosts(url: str, *others: str) -> str:
    """Return the URL with other hosts before its own."""
    parts = urlsplit(url)
    named = "&".join(f"host={each}" for each in (*others, f"{parts.hostname}:{parts.port}"))
    return parts._replace(netloc=f"{parts.username}:{parts.password}@", query=named).geturl()


def test_of_several_hosts_one_that_can_write_is_used(servers: dict[str, str], settings: Settings) -> None:
    urls = servers | {"DATABASE_URL": hosts(servers["DATABASE_URL"], "127.0.0.1:9")}
    engine = connect_postgres(read_settings(urls), name="hosts", pool=1)
    assert abs((server.clock(engine) - server.clock(engine)).total_seconds()) < 10
    server.check_writes(engine)
    assert asked_of(engine)["target_session_attrs"] == "read-write"
    engine.dispose()
    alone = connect_postgres(settings, name="alone", pool=1)
    assert "target_session_attrs" not in asked_of(alone), "reads are answered while the only server is read-only"
    alone.dispose()
    urls["DATABASE_URL"] += "&target_session_attrs=any"
    chosen = connect_postgres(read_settings(urls), name="chosen", pool=1)
    assert asked_of(chosen).get("target_session_attrs", "any") == "any"
    chosen.dispose()


def asked_of(engine: Engine) -> dict[str, str]:
    """Return the parameters of a connection of the engine."""
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        return dict(driver.info.get_parameters())  # type: ignore[union-attr]


def test_each_host_is_probed_by_itself(servers: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = f"127.0.0.1:{mute.getsockname()[1]}"
        urls = servers | {"DATABASE_URL": hosts(servers["DATABASE_URL"], silent)}
        engine = connect_postgres(read_settings(urls), name="hosts", pool=1)
        first, second = addresses(engine)[1]
        assert f"{first.host}:{first.port}" == silent
        assert (responds(first.conninfo, within_s=0.5), responds(second.conninfo, within_s=10)) == (False, True)
        with psycopg.connect(second.conninfo) as driver:
            assert (first.serves(driver), second.serves(driver)) == (False, True)
        engine.dispose()

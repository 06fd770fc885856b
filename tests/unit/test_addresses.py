"""Addresses of both servers: valid ones are read as by the servers' libraries; a refusal never quotes the address."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from app.config import Settings, read_settings
from app.connections import connect_redis
from app.errors import InvalidSetting

URLS = {"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere"}
SECRET = "Open99door"


def settings(**given: str) -> Settings:
    return read_settings(URLS | given)


def parameters(address: str) -> dict[str, Any]:
    """Return what SQLAlchemy passes to psycopg, by libpq's names, without ports that are not given."""
    _, passed = PGDialect_psycopg().create_connect_args(make_url(settings(DATABASE_URL=address).database_url))
    return {name: str(value) for name, value in passed.items() if str(value).strip(",") and name != "context"}


@pytest.mark.parametrize(
    "address",
    [
        "postgres://host/name",
        "postgresql://me:secret@host:5433/name",
        "postgresql+psycopg://me@host/name",
        "POSTGRES://host/name",
        "postgresql://me:Open%23%2F%3F%40%25%5B%20door@host/name",
        "postgresql://me:Open#door@host/name",
        "postgresql://me:Open?door@host/name",
        "postgresql://me:Open[door@host/name",
        "postgresql://me:Open'\\door@host/name",
        "postgresql://me:ключ@host/name",
        "postgresql://one:5432,two:5433/name?target_session_attrs=read-write",
        "postgresql://one,two/name?target_session_attrs=primary",
        "postgresql://one,two:5433/name",
        "postgresql://me:secret@one:1,[::1]:2,[fe80::1]:3/name?load_balance_hosts=random",
        "postgresql://[::1]:5432/name",
        "postgresql://[::1]/name",
        "postgresql:///name",
        "postgresql:///name?host=/var/run/postgresql",
        "postgresql://%2Fvar%2Frun%2Fpostgresql:5433/name",
        "postgresql://me@/name?host=/tmp,other&port=1,2",
        "postgresql://host/name?sslmode=verify-full&sslrootcert=system",
        "postgresql://host/name?sslmode=require&channel_binding=prefer&gssencmode=disable",
        "postgresql://host/name?connect_timeout=4&keepalives=1",
        "postgresql://host",
        "postgresql://",
    ],
)
def test_psycopg_gets_what_libpq_reads_in_an_address(address: str) -> None:
    plain = address.replace("postgresql+psycopg", "postgresql").replace("POSTGRES", "postgres")
    expected = {name: str(value) for name, value in conninfo_to_dict(plain).items()}
    found = parameters(address)
    assert ports(found) == ports(expected)
    assert found == expected


@pytest.mark.parametrize("password", ["Open door", "Open%", "Open%zz", "100% %41", "%"])
def test_a_password_with_spaces_or_percent_signs_is_read_as_it_is_meant(password: str) -> None:
    found = parameters(f"postgresql://me:{password}@host/na%20me")
    assert (found["password"], found["dbname"]) == (password.replace("%41", "A"), "na me")


def ports(parts: dict[str, Any]) -> list[str]:
    """Remove the ports of an address and return them, one for each host; libpq takes a single one for all."""
    given = str(parts.pop("port", "")).split(",")
    hosts = str(parts.get("host", "")).split(",")
    return given * len(hosts) if len(given) == 1 else given


@pytest.mark.parametrize(
    "address",
    [
        "Open99door",
        "mysql://me:Open99door@host/name",
        "postgresql+asyncpg://me:Open99door@host/name",
        "postgresql:me:Open99door@host/name",
        "postgresql://me:Open99door/x@host/name",
        "postgresql://me:99/Open99door@host/name",
        "postgresql://me:x@Open99door@host/name",
        "postgresql://me:x@Open99door#@host/name",
        "postgresql://me:x@Open99door%@host/name",
        "postgresql://me:x@ho st/Open99door",
        "postgresql://me@host/Open99door%",
        "postgresql://me:[@[Open99door/name",
        "postgresql://[Open99door/name",
        "postgresql://me@host:Open99door/name",
        "postgresql://me@host:99999/Open99door",
        "postgresql://me@host:0/Open99door",
        "postgresql://me@host:-1/Open99door",
        "postgresql://one,two/name?port=1,2,3&password=Open99door",
        "postgresql://me@host/name#Open99door",
        "postgresql://me@host/name?Open99door",
        "postgresql://me@host/name?Open99door=1",
        "postgresql://me@host/name?sslmode=Open99door",
        "postgresql://me@host/name?target_session_attrs=Open99door",
        "postgresql://me@host/name?load_balance_hosts=Open99door",
        "postgresql://me@host/name?channel_binding=Open99door",
        "postgresql://me@host/name?ssl_min_protocol_version=Open99door",
        "postgresql://me@host/name?connect_timeout=Open99door",
        "postgresql://me@host/name?keepalives_idle=Open99door",
        "postgresql://me@host/name?sslmode=verify-full&sslrootcert=/Open99door.pem",
        "postgresql://me@host/name?sslcert=/Open99door.pem",
        "postgresql://me:\udcffOpen99door@host/name",
        "postgresql://me:\0Open99door@host/name",
    ],
)
def test_an_invalid_address_of_postgres_is_refused_with_one_sentence_without_its_value(address: str) -> None:
    assert_refused("DATABASE_URL", address)


@pytest.mark.parametrize(
    "address",
    [
        "redis://host",
        "redis://host:6380/3",
        "redis://me:secret@host/0",
        "rediss://:secret@host:6380",
        "REDIS://host/",
        "redis://:Open%23%2F%3F%40%25%5B%20door@host",
        "redis://:Open@door@host",
        "redis://:Open%door@host",
        "redis://:Open door@host",
        "redis://[::1]:6379/0",
        "redis://host?db=3",
        "unix:///tmp/redis.sock",
        "unix:///tmp/redis.sock?db=2",
        "unix://me:secret@/tmp/redis.sock",
        "rediss://host?ssl_cert_reqs=none&ssl_check_hostname=false",
    ],
)
def test_redis_py_gets_what_it_reads_in_an_address(address: str) -> None:
    pool = connect_redis(settings(REDIS_URL=address)).connection_pool
    pool.connection_class(**pool.connection_kwargs)  # takes all options
    expected = parse_url(address.replace("REDIS", "redis"))
    expected.pop("connection_class", None)
    assert {name: pool.connection_kwargs[name] for name in expected} == expected


@pytest.mark.parametrize(("address", "scheme"), [("valkey://host/1", "redis"), ("valkeys://:p@host", "rediss")])
def test_the_schemes_of_valkey_mean_those_of_redis(address: str, scheme: str) -> None:
    assert settings(REDIS_URL=address).redis_url.partition("://")[::2] == (scheme, address.partition("://")[2])


@pytest.mark.parametrize(
    "address",
    [
        "Open99door",
        "http://Open99door",
        "redis+sentinel://Open99door",
        "redis:Open99door",
        "redis://:Open99door#x@host:1/0",
        "redis://:Open99door/x@host:1/0",
        "redis://:Open99door?x@host:1/0",
        "redis://:Open99door[x@host:1/0",
        "redis://:Open99door]x@host:1/0",
        "redis://me:99/Open99door@host:1/0",
        "redis://me:99?Open99door@host:1/0",
        "redis://me:99#Open99door@host:1/0",
        "redis://:99/Open99door@host",
        "redis://",
        "redis:///0",
        "redis://:Open99door@",
        "redis://:Open99door@/0",
        "redis://:Open99door@host:0",
        "redis://:Open99door@host:99999",
        "redis://:Open99door@host:x",
        "redis://:Open99door@one:1,two:2/0",
        "redis://:Open99door@ho st/0",
        "redis://host/Open99door",
        "redis://host/-1",
        "redis://host/1/2",
        "redis://host?db=Open99door",
        "redis://host?Open99door",
        "redis://host?Open99door=1",
        "redis://host?decode_responses=true&password=Open99door",
        "redis://host?socket_timeout=0",
        "redis://host?ssl_ca_certs=/etc/passwd",
        "rediss://host?ssl_cert_reqs=Open99door",
        "rediss://host?ssl_ca_certs=/Open99door.pem",
        "unix://",
        "unix://:Open99door@",
        "unix:///tmp/x?db=Open99door",
        "redis://:\udcffOpen99door@host",
        "redis://:\nOpen99door@ho\nst",
    ],
)
def test_an_invalid_address_of_redis_is_refused_with_one_sentence_without_its_value(address: str) -> None:
    assert_refused("REDIS_URL", address)


def assert_refused(variable: str, address: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{variable}\b") as refused:
        settings(**{variable: address})
    said = str(refused.value)
    assert SECRET not in said
    assert said.count(". ") == 0
    assert said.endswith(".")
    assert "\n" not in said
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None

"""Servers behind TLS: a private certificate authority can be named, and errors say what is wrong with a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.cli.doctor.servers import check_postgres, check_redis
from app.config import read_settings
from app.connections import connect_postgres, connect_redis
from app.errors import LedgerUnavailable
from app.ledger.server import clock
from app.loop import Backoff
from tests.tls.authority import WHY_NOT, Authority, Certificate, self_signed
from tests.tls.terminator import Terminator

if TYPE_CHECKING:
    from app.cli.doctor.finding import Finding
    from app.config import Settings

pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

FAULTS = {
    "expired": ("its certificate has expired", "Renew"),
    "other_name": ("its certificate is for another name", "Use the name"),
    "self_signed": ("its certificate is self-signed", "ca.pem"),
    "unknown": ("its certificate is of an unknown authority", "ca.pem"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificates(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    """A valid certificate, and one with each fault."""
    return {
        "good": authority.issue("good"),
        "expired": authority.issue("expired", days=-1),
        "other_name": authority.issue("other", names="DNS:elsewhere.example"),
        "self_signed": self_signed(tmp_path_factory.mktemp("self")),
        "unknown": Authority(tmp_path_factory.mktemp("unknown")).issue("unknown"),
    }


@pytest.fixture
def behind(servers: dict[str, str], certificates: dict[str, Certificate]) -> Iterator[Any]:
    """Return settings that lead to the servers of the tests through TLS with a certificate."""
    with ExitStack() as stack:

        def settings(certificate: str, *, parameters: str = "", **more: str) -> Settings:
            postgres, redis = urlsplit(servers["DATABASE_URL"]), urlsplit(servers["REDIS_URL"])
            ends = [
                stack.enter_context(Terminator(certificates[certificate], each.port or 0, postgres=each is postgres))
                for each in (postgres, redis)
            ]
            database_url = _moved(servers["DATABASE_URL"], ends[0].port) + parameters
            redis_url = _moved(servers["REDIS_URL"], ends[1].port).replace("redis://", "rediss://")
            return read_settings({"DATABASE_URL": database_url, "REDIS_URL": redis_url, **more})

        yield settings


def _moved(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@localhost:{port}").geturl()


def trusting(authority: Authority) -> dict[str, str]:
    return {"parameters": f"?sslmode=verify-full&sslrootcert={authority.file}", "REDIS_TLS_CA": str(authority.file)}


def test_an_authority_can_be_named_for_both_servers(behind: Any, authority: Authority) -> None:
    settings = behind("good", **trusting(authority))
    engine = connect_postgres(settings, name="tls", pool=1)
    assert clock(engine)
    engine.dispose()
    with connect_redis(settings, timeout_s=20) as redis:
        assert redis.ping()


def test_the_authority_of_redis_can_be_named_in_its_url(behind: Any, authority: Authority) -> None:
    plain = behind("good")
    url = f"{plain.redis_url}?ssl_ca_certs={authority.file}"
    settings = read_settings({"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": url})
    with connect_redis(settings, timeout_s=20) as redis:
        assert redis.ping()


def test_a_server_with_any_certificate_is_used_without_verification(behind: Any) -> None:
    settings = behind("self_signed", parameters="?sslmode=require", REDIS_TLS_VERIFY="none")
    engine = connect_postgres(settings, name="tls", pool=1)
    assert clock(engine)
    engine.dispose()
    with connect_redis(settings, timeout_s=20) as redis:
        assert redis.ping()


@pytest.mark.parametrize("fault", FAULTS)
def test_doctor_says_what_is_wrong_with_a_certificate(behind: Any, authority: Authority, fault: str) -> None:
    settings = behind(fault, **trusting(authority))
    for finding in diagnosed(settings):
        said, remedy = FAULTS[fault]
        assert said in finding.said, finding
        assert remedy in finding.remedy, finding


@pytest.mark.parametrize("fault", FAULTS)
def test_a_process_logs_what_is_wrong_with_a_certificate(
    behind: Any, authority: Authority, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = behind(fault, **trusting(authority))
    engine, redis = connect_postgres(settings, name="tls", pool=1), connect_redis(settings, timeout_s=20)
    with pytest.raises(LedgerUnavailable) as of_postgres:
        clock(engine)
    with pytest.raises(RedisConnectionError) as of_redis:
        redis.ping()
    logged: list[str] = []
    monkeypatch.setattr("app.loop.log", SimpleNamespace(warning=lambda _event, **fields: logged.append(str(fields))))
    for trouble in (of_postgres.value, of_redis.value):
        Backoff("test").failed(trouble)
    assert len(logged) == 2
    for line in logged:
        assert FAULTS[fault][0] in line
        assert "localhost" not in line


def test_doctor_says_that_postgres_offers_no_tls(servers: dict[str, str]) -> None:
    url = f"{servers['DATABASE_URL']}?sslmode=require"
    (finding, _) = diagnosed(read_settings({"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:9"}))
    assert "it offers no TLS" in finding.said


def test_doctor_names_no_part_of_an_address() -> None:
    settings = read_settings(
        {"DATABASE_URL": "postgresql://u:p@99door.invalid/x", "REDIS_URL": "redis://99door.invalid"}
    )
    for finding in diagnosed(settings):
        assert "host" in finding.said
        assert "99door" not in str(finding)


def diagnosed(settings: Settings) -> list[Finding]:
    engine = connect_postgres(settings, name="tls", pool=1)
    try:
        with connect_redis(settings, timeout_s=20) as redis:
            return [*check_postgres(engine, settings), *check_redis(redis)]
    finally:
        engine.dispose()

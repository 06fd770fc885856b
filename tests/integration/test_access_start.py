"""The start of a web process: closed, or refused, where keys are needed. The log tells which."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from app.api.application import create_app_or_exit
from app.api.services import services_of
from app.api_key import Scope
from app.ledger import keys
from tests.integration.conftest import close_connections
from tests.integration.keys import PASSWORD, bearer, make_key

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Engine

AWAY = f"postgresql://x:{PASSWORD[:8]}@127.0.0.1:1/x"


@pytest.fixture
def start(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], _same_log_settings: None
) -> Callable[..., tuple[Flask, list[str]]]:
    """Start the application with these variables; return it with the events of its log."""

    def started(**environment: str) -> tuple[Flask, list[str]]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        app = create_app_or_exit()
        services_of(app).engine.dispose()
        events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        return app, [f"{each['event']} {each.get('keys', '')}".strip() for each in events]

    return started


def test_development_on_loopback_logs_that_no_key_is_needed(start: Callable[..., tuple[Flask, list[str]]]) -> None:
    app, events = start(HOST="127.0.0.1")
    assert events == ["web_started not needed: development on loopback"]
    assert app.test_client().get("/rq/").status_code == 200


def test_development_on_other_addresses_needs_keys(start: Callable[..., tuple[Flask, list[str]]]) -> None:
    app, events = start(HOST="0.0.0.0")
    assert events == ["no_keys", "web_started needed"]
    assert app.test_client().get("/tasks").status_code == 401


def test_production_without_keys_does_not_start(start: Callable[..., tuple[Flask, list[str]]]) -> None:
    with pytest.raises(SystemExit, match="python -m app keys create"):
        start(APP_ENV="production", SECRET_KEY=PASSWORD)


def test_production_without_a_secret_does_not_start(
    start: Callable[..., tuple[Flask, list[str]]], engine: Engine
) -> None:
    make_key(engine, "admin")
    with pytest.raises(SystemExit, match="SECRET_KEY is not set"):
        start(APP_ENV="production")
    with pytest.raises(SystemExit, match="at least 32") as refused:
        start(APP_ENV="production", SECRET_KEY="tooshort")
    assert "tooshort" not in str(refused.value)


def test_production_with_a_key_starts(start: Callable[..., tuple[Flask, list[str]]], engine: Engine) -> None:
    make_key(engine, "admin")
    assert start(APP_ENV="production", SECRET_KEY=PASSWORD)[1] == ["web_started needed"]


def test_a_first_deploy_starts_with_the_key_that_the_platform_generated(
    start: Callable[..., tuple[Flask, list[str]]], engine: Engine
) -> None:
    generated = "0123456789abcdef" * 4
    for _ in range(2):  # a restart creates no second key
        app, events = start(APP_ENV="production", SECRET_KEY=PASSWORD, INITIAL_API_KEY=generated)
        assert events == ["web_started needed"]
    (made,) = keys.list_all(engine)
    assert (made.key.name, made.key.scopes, made.valid) == ("initial", frozenset({Scope.ADMIN}), True)
    assert app.test_client().get("/tasks").status_code == 401
    assert app.test_client().get("/tasks", headers=bearer(f"pk_punctual_{generated}")).status_code == 200
    assert app.test_client().get("/tasks", headers=bearer(generated)).status_code == 401
    close_connections(app)


def test_a_revoked_initial_key_is_not_created_again(
    start: Callable[..., tuple[Flask, list[str]]], engine: Engine
) -> None:
    given = {"APP_ENV": "production", "SECRET_KEY": PASSWORD, "INITIAL_API_KEY": "x" * 43}
    start(**given)
    keys.revoke(engine, keys.list_all(engine)[0].key.id)
    with pytest.raises(SystemExit, match="no API key exists"):
        start(**given)
    assert len(keys.list_all(engine)) == 1


def test_production_starts_without_keys_if_auth_is_off(start: Callable[..., tuple[Flask, list[str]]]) -> None:
    assert start(APP_ENV="production", AUTH="off")[1] == ["web_started not needed: AUTH=off"]


def test_production_starts_closed_while_postgres_is_unavailable(start: Callable[..., tuple[Flask, list[str]]]) -> None:
    app, events = start(APP_ENV="production", SECRET_KEY=PASSWORD, DATABASE_URL=AWAY)
    assert events == ["keys_not_seen", "web_started needed"]
    client = app.test_client()
    assert client.get("/tasks").status_code == 401
    assert client.get("/health").status_code == 200

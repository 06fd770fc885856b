"""`keys` on the command line, and commands that send a key."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

import submit_task
from app.api_key import new_secret
from app.cli import main
from tests.integration.keys import PASSWORD, bearer
from tests.integration.test_cli import Quiet, json_of

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

SECRET = "pk_punctual_"


@pytest.fixture
def closed(client_with: Callable[..., FlaskClient]) -> FlaskClient:
    """A client of an application that requires keys."""
    return client_with(auth="on", secret_key=PASSWORD)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> Any:
    """Run a command in an empty folder."""
    (tmp_path / "var").mkdir()
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture
def address(closed: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The API on a free port; it requires keys."""
    server = make_server("127.0.0.1", 0, closed.application, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PUNCTUAL_URL", f"http://127.0.0.1:{server.server_port}")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_key_is_created_shown_once_listed_and_revoked(run: Any, closed: FlaskClient) -> None:
    made = run("keys", "create", "billing", "--scope", "read", "--scope", "write", "--expires", "90d")
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert secret.startswith(SECRET)
    assert "Key 'billing' (read, write, valid until 2" in made.stderr
    assert closed.get("/tasks", headers=bearer(secret)).status_code == 200
    (listed,) = json_of(run("keys", "list", "--json"))
    assert (listed["name"], listed["scopes"], listed["valid"]) == ("billing", ["read", "write"], True)
    table = run("keys", "list").stdout
    assert listed["id"] in table
    assert SECRET not in table
    assert "is revoked" in run("keys", "revoke", listed["id"]).stdout
    assert json_of(run("keys", "list", "--json")) == []
    assert "No such keys" in run("keys", "list").stdout
    (revoked,) = json_of(run("keys", "list", "--all", "--json"))
    assert not revoked["valid"]
    assert revoked["revoked_at"]
    assert json_of(run("keys", "revoke", listed["id"], "--json"))["revoked_at"] == revoked["revoked_at"]


def test_the_json_output_contains_the_key(run: Any, closed: FlaskClient) -> None:
    made = json_of(run("keys", "create", "outside", "--scope", "worker", "--max-pending", 5, "--json"))
    assert (made["max_pending"], made["expires_at"], made["revoked_at"]) == (5, None, None)
    assert closed.get("/tasks/next", headers=bearer(made["key"])).status_code == 204


def test_wrong_usage_is_refused(run: Any) -> None:
    assert run("keys", "create", "x").exit_code == 2
    assert run("keys", "create", "x", "--scope", "root").exit_code == 2
    assert run("keys", "revoke", "nonsense").exit_code == 2
    absent = run("keys", "revoke", "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11")
    assert (absent.exit_code, absent.stderr) == (1, "Error: There is no API key with this id.\n")


def test_an_unavailable_postgres_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://x:{PASSWORD[:8]}@127.0.0.1:1/x")
    result = run("keys", "list")
    assert result.exit_code == 3
    assert "Postgres does not answer" in result.stderr
    assert PASSWORD[:8] not in result.output
    monkeypatch.setenv("DATABASE_URL", "mysql://x")
    assert run("keys", "list").exit_code == 2


def test_commands_send_the_key_of_the_environment_or_of_a_file(
    run: Any, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("task", "list")
    assert refused.exit_code == 1
    assert "PUNCTUAL_API_KEY" in refused.stderr
    file = tmp_path / "key"
    file.write_text(run("keys", "create", "me", "--scope", "admin").stdout)
    assert run("task", "list", "--key-file", file).exit_code == 0
    monkeypatch.setenv("PUNCTUAL_API_KEY", file.read_text())
    assert run("task", "list").exit_code == 0
    assert json_of(run("submit", "--count", 20, "--spread", "1h", "--concurrency", 4, "--json"))["created"] == 20
    assert json_of(run("task", "list", "--all", "--json"))
    assert run("verify", "--wait", "0s", "--json").exit_code == 1
    monkeypatch.setenv("PUNCTUAL_API_KEY", new_secret())
    assert run("task", "list").exit_code == 1
    for unsuitable in ("two words", "é"):
        monkeypatch.setenv("PUNCTUAL_API_KEY", unsuitable)
        unusable = run("task", "list")
        assert unusable.exit_code == 2
        assert unsuitable not in unusable.output


def test_the_script_sends_the_key_of_the_environment(
    run: Any, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit_task.main([address, "--count", "2"]) == 1
    assert "HTTP 401" in capsys.readouterr().err
    key = json.loads(run("keys", "create", "script", "--scope", "write", "--json").stdout)["key"]
    monkeypatch.setenv("PUNCTUAL_API_KEY", key)
    assert submit_task.main([address, "--count", "2"]) == 0
    monkeypatch.setenv("PUNCTUAL_API_KEY", "two words")
    with pytest.raises(SystemExit):
        submit_task.main([address])

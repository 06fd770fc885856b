"""The options of granian: they stand in code, and three of them are settings."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from app import web_server
from app.config import read_settings
from app.errors import InvalidSetting

URLS = {"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere"}


class Recorded:
    """A server that only records its options."""

    recorded: dict[str, Any]

    def __init__(self, target: str, **options: Any) -> None:
        type(self).recorded = {"target": target, **options}

    def serve(self) -> None:
        """Return at once."""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HOST", "PORT", "WEB_PROCESSES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in URLS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(web_server, "WebServer", Recorded)
    monkeypatch.setattr("os.sched_setscheduler", lambda *_: None)
    return monkeypatch


def test_the_server_gets_its_options(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HOST", "127.0.0.1")
    environment.setenv("PORT", "8123")
    environment.setenv("WEB_PROCESSES", "2")
    web_server.serve()
    options = Recorded.recorded
    assert options.pop("http1_settings").header_read_timeout == 100_000
    assert {name: getattr(value, "value", value) for name, value in options.items()} == {
        "target": "app.api.server:make_server",
        "factory": True,
        "interface": "rsgi",
        "loop": "asyncio",
        "address": "127.0.0.1",
        "port": 8123,
        "workers": 2,
        "respawn_failed_workers": True,
        "workers_kill_timeout": 8,
        "backlog": 2048,
        "backpressure": 1024,
        "http": "1",
        "websockets": False,
        "log_level": "error",
    }


def test_a_process_has_files_for_all_its_connections(environment: pytest.MonkeyPatch) -> None:
    limits = [1024, 4096]
    environment.setattr("resource.getrlimit", lambda _: tuple(limits))
    environment.setattr("resource.setrlimit", lambda _, given: limits.__setitem__(slice(None), list(given)))
    web_server.serve()
    assert limits == [web_server.MAX_CONNECTIONS + web_server.OTHER_FILES, 4096]
    assert Recorded.recorded["backpressure"] == web_server.MAX_CONNECTIONS
    limits[:] = [500, 600]
    web_server.serve()
    assert limits == [600, 600]
    assert Recorded.recorded["backpressure"] == 600 - web_server.OTHER_FILES


def test_without_settings_one_process_listens_on_port_8000_of_every_address(environment: pytest.MonkeyPatch) -> None:
    web_server.serve()
    options = Recorded.recorded
    assert (options["address"], options["port"], options["workers"]) == ("0.0.0.0", 8000, 1)


def test_the_bare_application_is_served_with_the_same_options(environment: pytest.MonkeyPatch) -> None:
    web_server.serve()
    ours = Recorded.recorded
    runpy.run_module("benchmarks.limits.bare_app", run_name="__main__")
    assert Recorded.recorded == ours | {"target": "benchmarks.limits.bare_app:open_app"}


def test_invalid_settings_end_the_process_with_a_message(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    with pytest.raises(SystemExit, match="The web process does not start: DATABASE_URL is not set"):
        web_server.serve()


def test_idle_connections_are_kept_as_long_as_the_setting_says(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KEEP_ALIVE_S", "620")
    web_server.serve()
    assert Recorded.recorded["http1_settings"].header_read_timeout == 620_000


WRONG = [
    ("KEEP_ALIVE_S", "0"),
    ("KEEP_ALIVE_S", "nan"),
    ("PORT", "0"),
    ("PORT", "65536"),
    ("PORT", "http"),
    ("WEB_PROCESSES", "0"),
    *(
        ("URL_PREFIX", value)
        for value in ("x", "/", "/x/", "//x", "/x//y", "/..", "/x/../y", "/x?y", "https://x", "/é")
    ),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_the_options_of_the_web_server_are_checked(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name):
        read_settings(URLS | {name: value})

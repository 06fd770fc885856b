"""The embedded servers keep their contents, leave nothing behind, and accept only clients with the password."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from local import InUseError, ServerError, postgres, valkey
from local.server import command_line
from tests.acceptance.conditions import wait_until

if TYPE_CHECKING:
    from local.server import Server

ROOT = Path(__file__).parents[2]
# Another process: starts the server, prints its pid, and runs until its input is closed or it is killed.
RUN = """
import sys
from pathlib import Path
from local import {name} as module
with module.start(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=[postgres, valkey], ids=["postgres", "valkey"])
def module(request: pytest.FixtureRequest) -> Any:
    """Each of the two embedded servers."""
    return request.param


@pytest.fixture
def start(module: Any, tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Start the server in the same directory each time; it is removed at the end."""
    started: list[Server] = []

    def starting() -> Server:
        started.append(module.start(tmp_path / "kept"))
        return started[-1]

    yield starting
    for server in started:
        server.discard()


@contextmanager
def another_run(module: Any, directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the same server in another process; yield that process and the pid of its server."""
    script = RUN.format(name=module.NAME)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        pid = next(line for line in run.stdout if line.strip().isdecimal())
        yield run, int(pid)
        run.kill()


def put(url: str, word: str) -> None:
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            client.rpush("words", word)
        return
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", [word])


def words(url: str) -> list[str]:
    if url.startswith("redis"):
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return list(client.lrange("words", 0, -1))
    with psycopg.connect(url) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words")]


def test_contents_survive_a_stop_and_a_start(start: Callable[[], Server]) -> None:
    server = start()
    put(server.url, "kept")
    server.stop()
    assert words(start().url) == ["kept"]


@pytest.mark.parametrize("harm", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
def test_a_restart_keeps_address_and_contents_after_any_signal(
    start: Callable[[], Server], harm: signal.Signals
) -> None:
    server = start()
    url, old = server.url, server.pid
    put(url, "kept")
    os.kill(old, harm)
    server.restart()
    assert (server.url, words(url)) == (url, ["kept"])
    assert not command_line(old)


def test_a_stop_leaves_no_process_and_can_be_repeated(start: Callable[[], Server]) -> None:
    server = start()
    with socket.create_connection(("127.0.0.1", server.port)):  # an open connection does not delay the stop
        server.stop()
    server.stop()
    assert server.process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_a_connection_without_the_password_is_refused(start: Callable[[], Server]) -> None:
    url = start().url
    with pytest.raises((psycopg.OperationalError, redis.AuthenticationError), match=r"(?i)password|authenticat"):
        put(re.sub(r":[^:@]+@", "@", url), "stranger")


def test_the_password_is_on_no_command_line_and_in_no_file_that_others_can_read(
    start: Callable[[], Server], tmp_path: Path
) -> None:
    server = start()
    password = re.search(r":([^:@/]+)@", server.url)
    assert password
    assert password[1] not in command_line(server.pid)
    open_to_others = [file for file in tmp_path.rglob("*") if file.is_file() and file.stat().st_mode & 0o077]
    assert [file.name for file in open_to_others if password[1] in file.read_text(errors="replace")] == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a second address of its own, 127.0.0.2")
def test_only_this_machine_can_connect(start: Callable[[], Server]) -> None:
    server = start()
    with socket.socket() as elsewhere:  # the port is free on every other address
        elsewhere.bind(("127.0.0.2", server.port))


def test_a_start_uses_another_port_if_its_port_was_taken_meanwhile(start: Callable[[], Server]) -> None:
    server = start()
    put(server.url, "kept")
    server.stop()
    with socket.create_server(("127.0.0.1", server.port)):
        moved = start()
        assert moved.port != server.port
        assert words(moved.url) == ["kept"]


def test_a_server_ends_with_a_killed_run_and_the_next_start_has_its_contents(
    module: Any, start: Callable[[], Server], tmp_path: Path
) -> None:
    with another_run(module, tmp_path / "kept") as (run, left):
        run.kill()
        run.wait()
        assert words_after(start(), "kept") == ["kept"]
        wait_until(lambda: not command_line(left), 5, "the leftover has ended")


def test_a_frozen_leftover_of_a_killed_run_is_ended_by_the_next_start(
    module: Any, start: Callable[[], Server], tmp_path: Path
) -> None:
    with another_run(module, tmp_path / "kept") as (run, left):
        os.kill(left, signal.SIGSTOP)
        run.kill()
        run.wait()
        assert command_line(left)
        assert words_after(start(), "kept") == ["kept"]
        assert not command_line(left)


def test_a_pid_file_with_the_pid_of_another_process_is_harmless(start: Callable[[], Server]) -> None:
    server = start()
    server.stop()
    server.program.pid_file.write_text(f"{os.getpid()}\n")
    server.restart()
    assert server.process.poll() is None


def test_two_runs_cannot_use_the_same_directory(module: Any, start: Callable[[], Server], tmp_path: Path) -> None:
    with another_run(module, tmp_path / "kept") as (run, other):
        with pytest.raises(InUseError, match="still going"):
            start()
        assert command_line(other)
        run.communicate()
    assert words_after(start(), "kept") == ["kept"]


def test_discarding_removes_everything(module: Any, tmp_path: Path) -> None:
    server = module.start(tmp_path / "kept", fast=True)
    room = server.program.room
    server.discard()
    assert not room.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who owns a process")
def test_postgres_never_runs_as_root(tmp_path: Path) -> None:
    server = postgres.start(tmp_path / "kept", fast=True)
    owner = Path(f"/proc/{server.pid}").stat().st_uid
    server.discard()
    assert owner != 0


def test_postgres_has_the_settings_that_the_service_expects(tmp_path: Path) -> None:
    expected = {"server_encoding": "UTF8", "TimeZone": "UTC", "max_connections": "200", "listen_addresses": "127.0.0.1"}
    for fast, fsync in ((True, "off"), (False, "on")):
        with postgres.start(tmp_path / "kept", fast=fast) as server, psycopg.connect(server.url) as connection:
            for name, value in (expected | {"fsync": fsync}).items():
                assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,), name
    server.discard()


def test_valkey_never_evicts_and_persists_its_contents_unless_fast(tmp_path: Path) -> None:
    for fast, kept in ((True, "no"), (False, "yes")):
        with (
            valkey.start(tmp_path / "kept", fast=fast) as server,
            redis.Redis.from_url(server.url, decode_responses=True) as client,
        ):
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendonly") == {"appendonly": kept}
    server.discard()


def test_without_a_wheel_for_this_platform_the_error_names_the_variables_to_set(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ServerError, match=r"DATABASE_URL=.* REDIS_URL="):
        module.start(tmp_path / "kept")


def test_a_start_without_the_directory_begins_with_empty_contents(start: Callable[[], Server], tmp_path: Path) -> None:
    server = start()
    put(server.url, "forgotten")
    server.stop()
    shutil.rmtree(tmp_path / "kept")
    assert words_after(start(), "new") == ["new"]


def words_after(server: Server, word: str) -> list[str]:
    """Insert a word and return all words."""
    put(server.url, word)
    return words(server.url)

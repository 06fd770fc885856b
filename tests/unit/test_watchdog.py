"""When the circuit breaker of a Postgres opens and closes. No test waits for a clock."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from app.errors import LedgerUnavailable
from app.ledger import watchdog as module
from app.ledger.watchdog import PROBE_TIMEOUT_S, SUSPICION_S, CircuitBreaker, CircuitOpen, Target, Watchdog, responds

if TYPE_CHECKING:
    from sqlalchemy import Engine

FREEZES = 50


class Server:
    """A server, its clock, and an engine whose connections are halves of socket pairs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.is_responsive = True
        self.probes = 0
        self.during_probe: Callable[[], None] = lambda: None
        self.ours, self.theirs = socket.socketpair()
        self.breaker = CircuitBreaker("", probe=self.probe, clock=lambda: self.now)

    def probe(self, _url: str) -> bool:
        self.probes += 1
        self.during_probe()
        return self.is_responsive

    @property
    def engine(self) -> Engine:
        return cast("Engine", self)

    @property
    def connection(self) -> Server:
        return self

    @property
    def dbapi_connection(self) -> Any:
        return self.ours

    @contextmanager
    def connect(self) -> Iterator[Server]:
        yield self

    def is_aborted(self) -> bool:
        self.theirs.settimeout(0.05)
        try:
            return self.theirs.recv(1) == b""
        except TimeoutError:
            return False

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


class HostedServer(Server):
    """A server whose connections know its host."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host

    @property
    def dbapi_connection(self) -> Any:
        return SimpleNamespace(fileno=self.ours.fileno, info=SimpleNamespace(host=self.host, port=5432))


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def breaker(server: Server) -> CircuitBreaker:
    return server.breaker


def test_a_server_is_not_probed_while_no_call_waits_for_long(server: Server, breaker: CircuitBreaker) -> None:
    breaker.check()
    with breaker.connected(server.engine):
        server.now += SUSPICION_S - 0.1
        breaker.check()
    assert server.probes == 0


def test_a_slow_call_is_left_alone_when_the_server_responds(server: Server, breaker: CircuitBreaker) -> None:
    with breaker.connected(server.engine):
        for _ in range(4):
            server.now += SUSPICION_S
            breaker.check()
        assert server.probes == 4
    assert not server.is_aborted()


def test_an_unresponsive_server_has_its_calls_aborted_and_new_ones_refused_until_it_responds(
    server: Server, breaker: CircuitBreaker
) -> None:
    server.is_responsive = False
    with breaker.connected(server.engine):
        server.now += SUSPICION_S
        breaker.check()
        assert server.is_aborted()
    with pytest.raises(LedgerUnavailable), breaker.connected(server.engine):
        pass
    breaker.check()
    with pytest.raises(LedgerUnavailable), breaker.connected(server.engine):
        pass
    server.is_responsive = True
    breaker.check()
    with breaker.connected(server.engine):
        pass


def test_a_call_that_has_just_begun_is_not_aborted(server: Server, breaker: CircuitBreaker) -> None:
    """The server may be responsive again and answer it."""
    late = Server()
    server.is_responsive = False
    with breaker.connected(server.engine):
        server.now += SUSPICION_S
        with breaker.connected(late.engine), suppress(LedgerUnavailable):
            breaker.check()
            assert server.is_aborted()
            assert not late.is_aborted()
    late.close()


def test_a_call_that_has_ended_is_not_aborted(server: Server, breaker: CircuitBreaker) -> None:
    """Its connection may be in use by another call."""
    server.is_responsive = False
    other = Server()
    with breaker.connected(other.engine):
        with pytest.raises(ZeroDivisionError), breaker.connected(server.engine):
            raise ZeroDivisionError
        server.now += SUSPICION_S
        breaker.check()
        assert other.is_aborted()
    assert not server.is_aborted()
    other.close()


def test_a_server_that_answers_other_calls_is_not_suspected(server: Server, breaker: CircuitBreaker) -> None:
    """New connections may be slow, and one statement wait for a lock, while it serves all other calls."""
    server.is_responsive = False
    with breaker.connected(server.engine):
        server.now += SUSPICION_S
        with breaker.connected(server.engine):
            pass
        breaker.check()
    assert server.probes == 0


def test_a_server_that_answers_another_call_during_the_probe_is_responsive(
    server: Server, breaker: CircuitBreaker
) -> None:
    server.is_responsive = False

    def answer_another_call() -> None:
        server.now += PROBE_TIMEOUT_S
        with breaker.connected(server.engine):
            pass

    server.during_probe = answer_another_call
    with breaker.connected(server.engine):
        server.now += SUSPICION_S
        breaker.check()
    assert server.probes == 1
    assert not server.is_aborted()


def test_of_several_hosts_calls_to_the_silent_one_are_aborted_while_another_one_replies() -> None:
    """They are repeated on a new connection, which leads to the other host, so the breaker stays closed."""
    silent, replying = HostedServer("silent"), HostedServer("replying")
    targets = [Target(each.host, "5432", each.host) for each in (silent, replying)]
    breaker = CircuitBreaker("", probe=lambda host: host == "replying", clock=lambda: silent.now, targets=targets)
    with breaker.connected(silent.engine), breaker.connected(replying.engine):
        silent.now += SUSPICION_S
        breaker.check()
        assert (silent.is_aborted(), replying.is_aborted()) == (True, False)
    with breaker.connected(replying.engine):
        pass
    silent.close()
    replying.close()


def test_without_a_reply_of_any_host_the_breaker_opens() -> None:
    server = HostedServer("silent")
    targets = [Target(each, "5432", each) for each in ("silent", "silent too")]
    breaker = CircuitBreaker("", probe=lambda _: False, clock=lambda: server.now, targets=targets)
    with breaker.connected(server.engine):
        server.now += SUSPICION_S
        breaker.check()
        assert server.is_aborted()
    with pytest.raises(CircuitOpen), breaker.connected(server.engine):
        pass
    server.close()


def test_a_refused_connection_is_a_reply_and_a_silent_one_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"postgresql://nobody@127.0.0.1:{mute.getsockname()[1]}/x"
        assert not responds(url)
        assert not responds(f"{url}?connect_timeout=2"), "nor if the URL has a limit of its own"
    assert responds(url), f"it refuses within {PROBE_TIMEOUT_S} s"


def test_engines_of_one_server_share_its_breaker_and_other_servers_have_their_own() -> None:
    watchdog = Watchdog()
    engines = [reachable_at(port) for port in (1, 1, 2)]
    one, same, other = [watchdog.breaker(each) for each in engines]
    assert one is same
    assert one is not other
    assert one is watchdog.breaker(engines[0])


def test_a_check_that_fails_does_not_keep_the_others_from_being_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog, checked = Watchdog(), list[str]()
    engines = [reachable_at(port) for port in (1, 2)]
    urls = {watchdog.breaker(each).url for each in engines}

    def fail(breaker: CircuitBreaker) -> None:
        checked.append(breaker.url)
        raise ZeroDivisionError

    monkeypatch.setattr(CircuitBreaker, "check", fail)
    assert not watchdog.step()
    assert set(checked) >= urls  # that of this process may check engines of other tests, too


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_starts_its_own_watchdog() -> None:
    engine = reachable_at(1)
    module.connected(engine)
    assert watching()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        inherited = len(watching())
        module.connected(engine)
        os.write(writing, bytes([inherited, len(watching())]))
        os._exit(0)
    os.waitpid(pid, 0)
    assert list(os.read(reading, 2)) == [0, 1]
    os.close(reading)
    os.close(writing)


def test_fifty_freezes_leave_no_thread_and_no_descriptor_behind() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=FREEZES) as mute:
        url = f"postgresql://nobody@127.0.0.1:{mute.getsockname()[1]}/x"
        freeze_once(url)
        threads, descriptors = threading.active_count(), open_descriptors()
        for _ in range(FREEZES):
            freeze_once(url)
        assert threading.active_count() <= threads
        assert open_descriptors() <= descriptors


def freeze_once(url: str) -> None:
    """Let a call wait for a frozen server in a thread until the real probe has failed and the call is aborted."""
    server = Server()
    breaker = CircuitBreaker(url, probe=lambda url: responds(url, within_s=0.02), clock=lambda: server.now)
    begun, received = threading.Event(), list[bytes]()

    def call() -> None:
        with breaker.connected(server.engine):
            begun.set()
            received.append(server.ours.recv(1))

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(10)
    server.now += SUSPICION_S
    breaker.check()
    thread.join(10)
    assert received == [b""]
    server.close()
    for each in threading.enumerate():
        if each.name == "watchdog-probe":
            each.join(10)


def open_descriptors() -> int:
    """Count descriptors after a garbage collection, which closes the sockets of probes that timed out."""
    gc.collect()
    return len(list(Path("/dev/fd").iterdir()))


def watching() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "watchdog"]


def reachable_at(port: int) -> Engine:
    return create_engine(f"postgresql+psycopg://nobody@127.0.0.1:{port}/x", poolclass=StaticPool)

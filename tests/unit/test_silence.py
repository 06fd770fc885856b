"""When a Postgres counts as silent, and when not: no clock is waited for, no server is asked."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from app.errors import LedgerAway
from app.ledger import silence as module
from app.ledger.silence import ANSWER_WITHIN_S, SUSPICIOUS_S, Silence, answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine


class Server:
    """A server, the clock, and an engine whose connections are halves of socket pairs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.speaks = True
        self.asked = 0
        self.ours, self.theirs = socket.socketpair()

    def answers(self, _engine: Engine) -> bool:
        self.asked += 1
        return self.speaks

    @property
    def connection(self) -> Server:
        return self

    @property
    def dbapi_connection(self) -> socket.socket:
        return self.ours

    @contextmanager
    def connect(self) -> Iterator[Server]:
        yield self


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setattr("app.ledger.silence.time.monotonic", lambda: made.now)
    monkeypatch.setattr(module, "answers", made.answers)
    yield made
    made.ours.close()
    made.theirs.close()


def engine(server: Server) -> Engine:
    return cast("Engine", server)


def is_cut(server: Server) -> bool:
    server.theirs.settimeout(0.05)
    try:
        return server.theirs.recv(1) == b""
    except TimeoutError:
        return False


def test_nobody_asks_while_nobody_waits_for_long(server: Server) -> None:
    silence = Silence()
    silence.look(engine(server))
    with silence.connected(engine(server)):
        server.now += SUSPICIOUS_S - 0.1
        silence.look(engine(server))
    assert server.asked == 0


def test_a_slow_statement_is_left_alone_when_the_server_answers(server: Server) -> None:
    silence = Silence()
    with silence.connected(engine(server)):
        for _ in range(4):
            server.now += SUSPICIOUS_S
            silence.look(engine(server))
        assert server.asked == 4
    assert not is_cut(server)


def test_a_silent_server_has_those_cut_who_wait_for_long_and_others_refused_until_it_speaks(server: Server) -> None:
    silence = Silence()
    server.speaks = False
    with silence.connected(engine(server)):
        server.now += SUSPICIOUS_S
        silence.look(engine(server))
        assert is_cut(server)
    with pytest.raises(LedgerAway), silence.connected(engine(server)):
        pass
    silence.look(engine(server))
    server.speaks = True
    silence.look(engine(server))
    with silence.connected(engine(server)):
        pass


def test_a_server_that_answers_others_is_not_silent(server: Server) -> None:
    """New connections may be slow, and one statement wait for a lock, while it serves everybody else."""
    silence = Silence()
    server.speaks = False
    with silence.connected(engine(server)):
        server.now += SUSPICIOUS_S
        with silence.connected(engine(server)):
            pass
        silence.look(engine(server))
    assert server.asked == 0


def test_who_refuses_a_connection_has_answered_and_who_accepts_and_says_nothing_has_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        assert not answers(reachable_at(port))
    assert answers(reachable_at(port)), f"it refuses within {ANSWER_WITHIN_S} s"


def reachable_at(port: int) -> Engine:
    return create_engine(f"postgresql+psycopg://nobody@127.0.0.1:{port}/x", poolclass=StaticPool)

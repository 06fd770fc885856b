"""A process that is asked to end is noticed to be, whoever handles the signal."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from app.api.stopping import Stopping, notice_the_end

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def seen() -> list[int]:
    """What somebody else's handlers were called with."""
    return []


@pytest.fixture
def stopping(seen: list[int]) -> Iterator[Stopping]:
    """One of our own, beside somebody else's handlers."""
    before = {
        number: signal.signal(number, lambda got, _: seen.append(got)) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    wakeup = signal.set_wakeup_fd(-1)
    listening = Stopping()
    yield listening
    signal.set_wakeup_fd(wakeup)
    os.close(listening._ear)
    os.close(listening._mouth)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_without_a_signal_the_wait_is_waited(stopping: Stopping) -> None:
    assert not stopping.wait(0.01)


def test_a_signal_to_end_ends_this_wait_and_all_later_ones(stopping: Stopping, seen: list[int]) -> None:
    signal.raise_signal(signal.SIGTERM)
    assert [stopping.wait(60) for _ in range(3)] == [True, True, True]
    assert seen == [signal.SIGTERM]


def test_another_signal_is_none_to_end(stopping: Stopping) -> None:
    signal.raise_signal(signal.SIGHUP)
    assert not stopping.wait(0)
    assert not stopping.wait(0)


def test_the_process_has_one_and_a_thread_without_signals_none() -> None:
    assert notice_the_end() is notice_the_end()
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(notice_the_end()))
    thread.start()
    thread.join()
    assert isinstance(found[0], threading.Event)

"""The batcher: items are flushed in order and in batches, and none is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.batching import Batcher
from app.errors import LedgerUnavailable

SOON_S = 10.0


class Letters(Batcher[str]):
    """Records each batch; while `errors` has entries, each flush raises one and removes it."""

    name = "letters"
    max_items: int | None = 4
    max_backoff_s = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[str] = []
        self.errors: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()

    def flush(self, items: list[str]) -> int | None:
        assert self.gate.wait(SOON_S)
        if self.errors:
            raise self.errors.pop()
        self.batches.append("".join(items))
        return None


class Stepped(Letters):
    """Has no thread; the test calls `step`."""

    def start(self) -> None: ...


@pytest.fixture
def letters() -> Iterator[Letters]:
    letters = Letters()
    yield letters
    letters.gate.set()
    assert letters.close(SOON_S)


def test_items_are_flushed_in_order_and_soon(letters: Letters) -> None:
    for each in "abcdefghijk":
        letters.add(each)
    assert letters.drain(SOON_S)
    assert "".join(letters.batches) == "abcdefghijk"


def test_items_added_during_a_flush_form_the_next_batch(letters: Letters) -> None:
    letters.gate.clear()
    letters.add("a")
    while letters.waiting():
        pass
    letters.add("b")
    letters.add("cd")
    assert letters.waiting() == ["b", "c", "d"]
    letters.gate.set()
    assert letters.drain(SOON_S)
    assert letters.batches == ["a", "bcd"]


def test_adding_does_not_wait_for_a_flush_and_draining_does(letters: Letters) -> None:
    letters.gate.clear()
    letters.add("abcdefgh")
    assert not letters.drain(0.05)
    letters.gate.set()
    assert letters.drain(SOON_S)


def test_a_step_flushes_one_batch_and_returns_whether_a_full_one_is_left() -> None:
    letters = Stepped()
    assert not letters.step()
    letters.add("abcdefghij")
    assert [letters.step(), letters.step(), letters.step(), letters.step()] == [True, False, False, False]
    assert letters.batches == ["abcd", "efgh", "ij"]


def test_a_failed_batch_is_flushed_again_before_later_items() -> None:
    letters = Stepped()
    letters.errors = [LedgerUnavailable()]
    letters.add("ab")
    with pytest.raises(LedgerUnavailable):
        letters.step()
    letters.add("c")
    assert letters.waiting() == ["a", "b", "c"]
    letters.step()
    assert letters.batches == ["abc"]


def test_the_thread_survives_a_server_that_is_unavailable_and_its_own_errors(letters: Letters) -> None:
    letters.errors = [LedgerUnavailable(), RuntimeError("a bug")]
    letters.add("ab")
    assert letters.drain(SOON_S)
    assert letters.batches == ["ab"]


def test_a_batcher_that_must_not_survive_errors_ends_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    letters = Letters()
    letters.survives_errors = False
    letters.errors = [LedgerUnavailable(), RuntimeError("a bug")]
    letters.add("ab")
    assert not letters.close(SOON_S)
    assert [(type(each.exc_value), each.thread and each.thread.name) for each in died] == [(RuntimeError, "letters")]


def test_items_that_a_flush_did_not_write_are_flushed_again() -> None:
    class OneByOne(Stepped):
        def flush(self, items: list[str]) -> int:
            super().flush(items[:1])
            return 1

    letters = OneByOne()
    letters.add("abc")
    while letters.waiting():
        letters.step()
    assert letters.batches == ["a", "b", "c"]


def test_merged_items_are_flushed_and_kept_after_a_failure() -> None:
    class Sorted(Stepped):
        max_items = None

        def flush(self, items: list[str]) -> None:
            items[:] = sorted(set(items))
            super().flush(items)

    letters = Sorted()
    letters.errors = [LedgerUnavailable()]
    letters.add("bab")
    with pytest.raises(LedgerUnavailable):
        letters.step()
    assert letters.waiting() == ["a", "b"]
    letters.add("a")
    letters.step()
    assert letters.batches == ["ab"]


def test_a_gathering_batcher_flushes_all_items_of_the_pause_together() -> None:
    class Gathering(Letters):
        def gather_s(self) -> float:
            return 3600.0

    letters = Gathering()
    letters.add("a")
    assert not letters.drain(0.05)
    letters.add("bc")
    assert letters.close(SOON_S), "closing ends the pause"
    assert letters.batches == ["abc"]


def test_closing_flushes_the_rest_and_can_be_repeated_after_a_timeout(letters: Letters) -> None:
    letters.gate.clear()
    letters.add("abcdefghij")
    assert not letters.close(0.05)
    letters.gate.set()
    assert letters.close(SOON_S)
    assert "".join(letters.batches) == "abcdefghij"


def test_a_batcher_that_never_had_an_item_has_no_thread_and_can_be_drained_and_closed() -> None:
    before = threading.active_count()
    letters = Letters()
    assert letters.drain(0)
    assert letters.close(0)
    assert threading.active_count() == before


def test_a_thread_that_cannot_start_queues_nothing_and_the_next_item_starts_one(
    letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            letters.add(["lost"])
    letters.add(["a"])
    assert letters.drain(SOON_S)
    assert letters.close(SOON_S)

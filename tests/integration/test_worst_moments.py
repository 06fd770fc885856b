"""Errors at the worst moment: a worker loses no outcome when it can open no file or start no thread."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.broker.due_set import DueSet
from app.counter_buffer import CounterBuffer
from app.ledger import claims, tasks
from app.ledger.statements import STATEMENTS, statement
from app.outcome import succeeded
from app.task import TaskState
from tests.making import ids, make
from workers.worker.finisher import Finisher

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.operations import Operations

PATIENCE_S = 20.0


def test_every_statement_is_read_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_file(*_: object, **__: object) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "read_text", no_file)
    monkeypatch.setattr(Path, "open", no_file)
    assert len(STATEMENTS) > 40
    assert all("{" not in statement(each) or "'{" in statement(each) for each in STATEMENTS)


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), RuntimeError("no thread"), TypeError()]
)
def test_the_finisher_writes_outcomes_after_an_unknown_error(
    engine: Engine, operations: Operations, due_set: DueSet, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    made = make(operations, 3)
    token = claims.new_token()
    claims.claim(engine, ids(made), worker_id="w", types=["noop"], token=token, asked_at=0.0)
    finish, failures = claims.finish, [error, error]

    def finish_later(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return finish(*arguments)

    monkeypatch.setattr(claims, "finish", finish_later)
    finisher = Finisher(engine, due_set, CounterBuffer(engine), {})
    finisher.add([succeeded(each, token, "1") for each in ids(made)])
    assert finisher.drain(PATIENCE_S)
    assert finisher.close(PATIENCE_S)
    assert {tasks.get(engine, each.id).state for each in made} == {TaskState.SUCCEEDED}

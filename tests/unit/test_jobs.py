"""Reading of RQ jobs that another program may have written."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from app.broker.due_set import are_task_ids
from app.broker.rq.jobs import UNREADABLE, readable

DEEP = b'{"x":' * 300 + b"1" + b"}" * 300
ID = str(uuid4())


def test_a_readable_call_is_returned_as_plain_json() -> None:
    call: list[object] = ["deliver", None, ["noop", [ID], []], {}]
    assert json.loads(readable({b"data": json.dumps(call).encode()})[b"data"]) == call


@pytest.mark.parametrize("arguments", [b"[" + DEEP + b"]", b"{}", b"1", b"["])
def test_arguments_that_cannot_be_a_call_or_be_written_again_are_unreadable(arguments: bytes) -> None:
    assert readable({b"data": b'["f", null, ' + arguments + b", {}]"})[b"data"] == UNREADABLE


@pytest.mark.parametrize(
    "ids",
    [
        [""],
        [ID, ""],
        ["", ID],
        [f"{ID}\n{ID}"],
        [f"{ID}\n{ID}", ""],
        [ID.upper()],
        [ID[:-1]],
        [ID + " "],
        [ID, "x" * 36],
    ],
)
def test_an_invalid_id_is_found_among_valid_ones(ids: list[str]) -> None:
    assert are_task_ids([])
    assert are_task_ids([ID, ID])
    assert not are_task_ids(ids)

"""Payloads and results: every answer and the handler get exactly what was sent, to the digit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.ledger import claims
from app.task_types import TaskTypes
from tests.integration.api_calls import PAST, UNKNOWN_ID, body, fields, lease
from tests.integration.test_creation import BothPaths
from workers.pool.child import run as run_handler

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

VALUES = [
    "1", "1.0", "1.10", "-0", "-0.0", "0.1", "0.30000000000000004", "1e5", "1E5", "1e16", "1e22", "1e300", "1e-7",
    "5e-324", "100000000000000000000.0", "9007199254740993", "18446744073709551615", "-9223372036854775808",
    "0.1234567890123456789012345678901", "3.141592653589793238462643383279", "123456789012345678.25",
    "1.7976931348623157e308",
    '"e\\u0301"', '"\\u00e9"', '"\u00e9"', '"\\ud83d\\ude00"', '"\u2028"', '"\\/"', '"\\n"', '""', '" a  b "',
    '"\\u007f"',
    "[]", "{}", '[1,1.0,"1",true,null]', '{"z":1,"a":2,"é":3,"":4,"a b":5}', "[[[[[[1e16]]]]]]",
]  # fmt: skip
PAYLOAD = "{" + ",".join(f'"k{number}":{text}' for number, text in enumerate(VALUES)) + "}"


def sent(payload: str, at: str = PAST) -> str:
    return f'{{"type": "noop", "payload": {payload}, "execute_at": "{at}"}}'


def payload_in(text: str) -> str:
    """Return the text of the payload in an answer with one task."""
    begin = text.index('"payload":') + len('"payload":')
    _, end = json.JSONDecoder().raw_decode(text[begin:])
    return text[begin : begin + end]


@pytest.fixture
def paths(client: FlaskClient) -> BothPaths:
    return BothPaths(client.application)


def claimed(engine: Engine, task_id: str) -> Any:
    (mine,) = claims.claim(
        engine, [task_id], worker_id="w", types=["noop"], token=claims.new_token(), asked_at=0.0
    ).mine
    return mine


def test_answers_and_the_handler_get_what_was_sent(
    client: FlaskClient, paths: BothPaths, engine: Engine, types: TaskTypes
) -> None:
    spaced = PAYLOAD.replace(",", " ,\n ").replace(":", " : ")
    for _, _, content in paths.both(sent(PAYLOAD).encode()):
        assert payload_in(content.decode()) == PAYLOAD
    answer = client.post("/tasks", data=sent(spaced).encode(), content_type="application/json")
    task_id = body(answer)["id"]
    batch = f'{{"tasks": [{sent("{}")}, {sent(PAYLOAD)}]}}'
    of_batch = body(client.post("/tasks/batch", data=batch.encode(), content_type="application/json"))["ids"][1]
    for each in (task_id, of_batch):
        shown = payload_in(client.get(f"/tasks/{each}").text)
        assert json.loads(shown) == json.loads(PAYLOAD)
        assert payload_in(client.get(f"/tasks?q={each}").text) == shown
        assert [*json.loads(shown)] == [*json.loads(PAYLOAD)], "the order of the keys"
        mine = claimed(engine, each)
        assert mine.payload == shown
        result = run_handler(mine, types, may_begin=lambda: True)
        assert isinstance(result, str)
        assert repr(json.loads(result)) == repr(json.loads(PAYLOAD)), "the kinds of the numbers"
    assert payload_in(client.get(f"/tasks/{of_batch}").text) == PAYLOAD, "digit by digit"


@pytest.mark.parametrize("value", VALUES)
def test_a_result_of_an_outside_worker_is_answered_as_it_was_sent(client: FlaskClient, value: str) -> None:
    held = lease(client)
    done = f'{{"claim_token": "{held["claim_token"]}", "result": {value}}}'
    answer = client.post(f"/tasks/{held['id']}/complete", data=done.encode(), content_type="application/json")
    assert f'"result":{value},' in answer.text
    assert f'"result":{value},' in client.get(f"/tasks/{held['id']}").text


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "1e400", "18446744073709551616", '{"a": 1, "a": 2}', '"\\ud800"', '"\\u0000"']
)
def test_a_value_that_cannot_be_stored_as_sent_is_refused_on_every_path(
    client: FlaskClient, paths: BothPaths, value: str
) -> None:
    for status, _, _ in paths.both(sent(f'{{"a": {value}}}').encode()):
        assert status in {400, 422}
    batch = f'{{"tasks": [{sent("{}")}, {sent(f"""{{"a": {value}}}""")}]}}'
    asked = {"content_type": "application/json"}
    assert client.post("/tasks/batch", data=batch.encode(), **asked).status_code in {400, 422}  # type: ignore[arg-type]
    done = f'{{"claim_token": "{UNKNOWN_ID}", "result": {value}}}'
    answer = client.post(f"/tasks/{UNKNOWN_ID}/complete", data=done.encode(), **asked)  # type: ignore[arg-type]
    assert answer.status_code in {400, 422}


def test_the_limit_counts_neither_spaces_nor_escapes(client: FlaskClient) -> None:
    asked = {"content_type": "application/json"}
    almost = 64 * 1024 - len('{"a":""}')
    for payload, status in (
        (f'{{"a": {" " * 1000}"{"x" * almost}"}}', 201),
        (f'{{"a": "{"x" * (almost - 1)}\\u0061"}}', 201),
        (f'{{"a": "{"x" * (almost + 1)}"}}', 422),
    ):
        assert client.post("/tasks", data=sent(payload).encode(), **asked).status_code == status  # type: ignore[arg-type]


def test_a_payload_with_a_name_that_is_escaped_is_the_same(client: FlaskClient) -> None:
    asked = sent('{"a": 1.10}').replace('"payload"', '"p\\u0061yload"')
    answer = client.post("/tasks", data=asked.encode(), content_type="application/json")
    assert payload_in(answer.text) == '{"a":1.10}'
    assert fields(
        client.post("/tasks", data=asked.replace("{", '{"payload": {}, ', 1), content_type="application/json")
    )

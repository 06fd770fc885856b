"""Invalid calls of outside workers: a due task stays due, and a lease stays valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.api_calls import PAST, UNKNOWN_ID, create, lease
from tests.integration.bad_input.cases import Case, check, invalid, not_json

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

TOKEN = b'{"claim_token": "{token}"'


def claim(body: bytes, *fields: str) -> Case:
    """Return a case of a claim of due tasks, which is a 422."""
    return invalid(*fields, path="/tasks/claim", body=body)


def held(call: str, body: bytes, *fields: str) -> Case:
    """Return a case of a call about the leased task, which is a 422."""
    return invalid(*fields, path=f"/tasks/{{held}}/{call}", body=body)


def refused(status: int, problem: str, call: str, body: bytes, of: str = "{held}") -> Case:
    """Return a case of a call about a task with another refusal."""
    return Case(status=status, problem=problem, path=f"/tasks/{of}/{call}", body=body)


CASES: dict[str, Any] = {
    "a claim without a worker": claim(b"{}", "worker_id"),
    "a claim by null": claim(b'{"worker_id": null}', "worker_id"),
    "a claim by an empty name": claim(b'{"worker_id": ""}', "worker_id"),
    "a claim by a name of 201": claim(b'{"worker_id": "' + b"x" * 201 + b'"}', "worker_id"),
    "a claim by a number": claim(b'{"worker_id": 5}', "worker_id"),
    "a claim by a NUL": claim(b'{"worker_id": "a\\u0000"}', "worker_id"),
    "a claim by half a pair": claim(b'{"worker_id": "\\ud800"}', "worker_id"),
    "a claim of our own type": claim(b'{"worker_id": "w", "type": "foo"}', "type"),
    "a claim of no type": claim(b'{"worker_id": "w", "type": "nope"}', "type"),
    "a claim of a list": claim(b'{"worker_id": "w", "type": ["outside"]}', "type"),
    "a claim of an old name": claim(b'{"worker_id": "w", "kind": "nope"}', "kind"),
    "a claim that waits -1": claim(b'{"worker_id": "w", "wait_s": -1}', "wait_s"),
    "a claim that waits 31": claim(b'{"worker_id": "w", "wait_s": 31}', "wait_s"),
    "a claim that waits 1e400": claim(b'{"worker_id": "w", "wait_s": 1e400}', "wait_s"),
    "a claim that waits a text": claim(b'{"worker_id": "w", "wait_s": "5"}', "wait_s"),
    "a claim that waits NaN": not_json(b'{"worker_id": "w", "wait_s": NaN}', path="/tasks/claim"),
    "a claim of 0": claim(b'{"worker_id": "w", "limit": 0}', "limit"),
    "a claim of 1001": claim(b'{"worker_id": "w", "limit": 1001}', "limit"),
    "a claim of 1.5": claim(b'{"worker_id": "w", "limit": 1.5}', "limit"),
    "a claim of 2^63": claim(b'{"worker_id": "w", "limit": 9223372036854775808}', "limit"),
    "a claim with more": claim(b'{"worker_id": "w", "lease_s": 5}', "lease_s"),
    "a claim of an unknown task": refused(404, "task-not-found", "claim", b'{"worker_id": "w"}', UNKNOWN_ID),
    "a claim of no id": refused(404, "task-not-found", "claim", b'{"worker_id": "w"}', "%00"),
    "a claim of a held one": refused(409, "task-not-claimable", "claim", b'{"worker_id": "v"}'),
    "a claim of one without a worker": invalid("worker_id", path="/tasks/{due}/claim", body=b"{}"),
    "a claim of one with a type": invalid(
        "type", path="/tasks/{due}/claim", body=b'{"worker_id": "w", "type": "outside"}'
    ),
    "a heartbeat of an unknown task": refused(404, "task-not-found", "heartbeat", TOKEN + b"}", UNKNOWN_ID),
    "a heartbeat without a token": held("heartbeat", b"{}", "claim_token"),
    "a token null": held("heartbeat", b'{"claim_token": null}', "claim_token"),
    "a token a number": held("heartbeat", b'{"claim_token": 5}', "claim_token"),
    "a token empty": held("heartbeat", b'{"claim_token": ""}', "claim_token"),
    "a token too short": held("heartbeat", b'{"claim_token": "6f0c2c2e"}', "claim_token"),
    "a token with a NUL": held("heartbeat", TOKEN[:-1] + b'\\u0000"}', "claim_token"),
    "an unknown token": refused(409, "claim-lost", "heartbeat", b'{"claim_token": "%s"}' % UNKNOWN_ID.encode()),
    "a token for another": refused(409, "claim-lost", "heartbeat", TOKEN + b"}", "{due}"),
    "a heartbeat with more": held("heartbeat", TOKEN + b', "result": 1}', "result"),
    "a result without a token": held("complete", b'{"result": 1}', "claim_token"),
    "a result with an unknown token": refused(
        409, "claim-lost", "complete", b'{"claim_token": "%s", "result": 1}' % UNKNOWN_ID.encode()
    ),
    "a result for another": refused(409, "claim-lost", "complete", TOKEN + b"}", "{due}"),
    "a result with a NUL": held("complete", TOKEN + b', "result": {"a": ["\\u0000"]}}', "result.a[0]"),
    "a result with half a pair": held("complete", TOKEN + b', "result": "\\ud800"}', "result"),
    "a result of 1e400": held("complete", TOKEN + b', "result": 1e400}', "result"),
    "a result of 2^64": held("complete", TOKEN + b', "result": [18446744073709551616]}', "result[0]"),
    "a result too deep": held(
        "complete", TOKEN + b', "result": ' + b"[" * 32 + b"]" * 32 + b"}", "result" + "[0]" * 31
    ),
    "a result too large": refused(
        422, "result-too-large", "complete", TOKEN + b', "result": "' + b"x" * 262_143 + b'"}'
    ),
    "a result far too large": refused(
        413, "body-too-large", "complete", TOKEN + b', "result": "' + b"x" * 600_000 + b'"}'
    ),
    "a result of NaN": not_json(TOKEN + b', "result": NaN}', path="/tasks/{held}/complete"),
    "a result and an error": held("complete", TOKEN + b', "error": "no"}', "error"),
    "an error without a token": held("fail", b'{"error": "no"}', "claim_token"),
    "an error that is missing": held("fail", TOKEN + b"}", "error"),
    "an error null": held("fail", TOKEN + b', "error": null}', "error"),
    "an error a number": held("fail", TOKEN + b', "error": 5}', "error"),
    "an error of 10,001": held("fail", TOKEN + b', "error": "' + b"x" * 10_001 + b'"}', "error"),
    "an error with a NUL": held("fail", TOKEN + b', "error": "\\u0000"}', "error"),
    "an error without a message": held("fail", TOKEN + b', "error": {"type": "x"}}', "error"),
    "an error with a wrong message": held("fail", TOKEN + b', "error": {"message": 5}}', "error.message"),
    "an error with an empty type": held("fail", TOKEN + b', "error": {"message": "no", "type": ""}}', "error.type"),
    "an error with more": held("fail", TOKEN + b', "error": {"message": "no", "stack": "x"}}', "error"),
    "an error with an unknown token": refused(
        409, "claim-lost", "fail", b'{"claim_token": "%s", "error": "x"}' % UNKNOWN_ID.encode()
    ),
    "a release without a token": held("release", b"{}", "claim_token"),
    "a release with more": held("release", TOKEN + b', "reason": "x"}', "reason"),
    "a release of another": refused(409, "claim-lost", "release", TOKEN + b"}", "{due}"),
    "a release of nothing": not_json(b"", path="/tasks/{held}/release"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_an_invalid_call_of_an_outside_worker_changes_nothing(client: FlaskClient, engine: Engine, case: Case) -> None:
    mine = lease(client)
    due = create(client, type="outside", execute_at=PAST)
    check(case, client, engine, held=mine["id"], token=mine["claim_token"], due=due["id"])

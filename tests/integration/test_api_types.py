"""GET /types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.api_calls import body, create, fields, lease

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from app.task_types import TaskTypes


def test_types_come_by_name_with_their_limits_and_schemas(client: FlaskClient, types: TaskTypes) -> None:
    kinds = {kind["name"]: kind for kind in body(client.get("/types"))["types"]}
    assert list(kinds) == types.names
    assert (kinds["buzz"]["timeout_s"], kinds["buzz"]["max_attempts"], kinds["buzz"]["external"]) == (10, 1, False)
    assert kinds["outside"]["external"]
    nap = kinds["nap"]["payload_schema"]
    assert nap["$defs"]["Nap"]["required"] == ["seconds"]


def test_types_count_their_tasks_by_state(client: FlaskClient) -> None:
    create(client)
    client.delete(f"/tasks/{create(client)['id']}")
    lease(client)
    counts = {kind["name"]: kind["counts"] for kind in body(client.get("/types"))["types"]}
    assert counts["foo"] == {"deleted": 1, "scheduled": 1}
    assert counts["outside"] == {"running": 1}
    assert counts["bar"] == {}


def test_parameters_are_refused(client: FlaskClient) -> None:
    assert list(fields(client.get("/types?name=foo"))) == ["name"]

"""Users' own checks of payloads: every error is a 422 that names the field, and slow checks block no other request."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic
import pytest

from app.api.application import create_app
from app.api.fast_path import FastPath
from app.api.reading import payloads
from app.api.services import services_of
from app.task_types import TaskType, TaskTypes
from punctual.handler import read_handler
from tests.integration.api_calls import FUTURE, body, fields, problem
from tests.integration.conftest import close_connections
from tests.integration.test_creation import BothPaths

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from app.config import Settings

GATE, ENTERED = threading.Event(), threading.Semaphore(0)


ERRORS: dict[str, Any] = {
    "key": KeyError,
    "value": ValueError,
    "type": TypeError,
    "exit": SystemExit,
    "memory": MemoryError,
    "interrupt": KeyboardInterrupt,
    "group": lambda text: ExceptionGroup(text, [KeyError()]),
    "assertion": AssertionError,
    "zero": ZeroDivisionError,
}


def check(error: str) -> None:
    """Raise the error that the payload names."""
    if error == "recursion":
        check(error)
    elif error == "wait":
        ENTERED.release()
        GATE.wait(30)
    elif error:
        raise ERRORS[error]("a secret")


class Inner(msgspec.Struct):
    """A part with a check."""

    error: str = ""

    def __post_init__(self) -> None:
        check(self.error)


class OfStruct(msgspec.Struct):
    """A payload with checks in its parts and of the whole."""

    part: Inner = msgspec.field(default_factory=Inner)
    parts: list[Inner] = []
    n: int = 0
    error: str = ""

    def __post_init__(self) -> None:
        check(self.error)


@dataclass
class OfDataclass:
    """A payload with a check."""

    error: str = ""

    def __post_init__(self) -> None:
        check(self.error)


class OfModel(pydantic.BaseModel):
    """A payload with a check."""

    error: str = ""

    @pydantic.field_validator("error")
    @classmethod
    def check(cls, error: str) -> str:
        check(error)
        return error


def of_struct(payload: OfStruct) -> None: ...
def of_dataclass(payload: OfDataclass) -> None: ...
def of_model(payload: OfModel) -> None: ...
def of_nothing() -> None: ...


FUNCTIONS = {each.__name__: each for each in (of_struct, of_dataclass, of_model, of_nothing)}


@pytest.fixture
def picky(settings: Settings, client: FlaskClient, _same_log_settings: None) -> Iterator[FlaskClient]:
    """A client of an application with these types."""
    kinds = (TaskType(name=name, handler=read_handler(function)) for name, function in FUNCTIONS.items())
    app = create_app(settings, TaskTypes(kinds))
    yield app.test_client()
    GATE.set()
    close_connections(app)
    services_of(app).redis.close()


def asked(kind: str, payload: Any) -> dict[str, Any]:
    return {"type": kind, "execute_at": FUTURE, "payload": payload}


@pytest.mark.parametrize("kind", ["of_struct", "of_dataclass", "of_model"])
@pytest.mark.parametrize("error", [*ERRORS, "recursion"])
def test_any_error_of_a_check_is_a_422_on_every_path(picky: FlaskClient, kind: str, error: str) -> None:
    task = asked(kind, {"error": error})
    (refused,) = fields(picky.post("/tasks", json=task)).items()
    assert refused[0].startswith("payload")
    assert error in {"value", "type", "assertion"} or "a secret" not in refused[1], "other texts are not for clients"
    (in_batch,) = fields(picky.post("/tasks/batch", json={"tasks": [asked(kind, {}), task]}))
    assert in_batch.startswith("tasks[1].payload")
    for status, _, content in BothPaths(picky.application).both(json.dumps(task).encode()):
        assert status == 422
        assert json.loads(content)["details"]["fields"].keys() == {refused[0]}


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"part": {"error": "key"}}, "payload.part"),
        ({"n": 1, "parts": [{}, {"error": "recursion"}]}, "payload.parts"),
        ({"part": {"error": "value"}}, "payload.part"),
        ({"parts": [{}, {"error": "type"}]}, "payload.parts[1]"),
        ({"n": "x", "part": {"error": "key"}}, "payload.n"),
        ({"error": "key"}, "payload"),
    ],
)
def test_the_field_whose_check_fails_is_named(picky: FlaskClient, payload: Any, field: str) -> None:
    assert field in fields(picky.post("/tasks", json=asked("of_struct", payload)))


def test_a_check_runs_for_an_absent_payload_too_and_not_where_there_is_none(picky: FlaskClient) -> None:
    assert picky.post("/tasks", json={"type": "of_struct", "execute_at": FUTURE}).status_code == 201
    assert picky.post("/tasks", json=asked("of_nothing", {"any": 1})).status_code == 201


def test_slow_checks_block_neither_the_event_loop_nor_other_types(
    picky: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payloads, "MAX_TURN_S", 0.01)
    GATE.clear()
    waiting = asked("of_struct", {"error": "wait"})
    with ThreadPoolExecutor(payloads.MAX_CHECKS) as threads:
        slow = [
            threads.submit(picky.application.test_client().post, "/tasks", json=waiting)
            for _ in range(payloads.MAX_CHECKS)
        ]
        assert all(ENTERED.acquire(timeout=30) for _ in slow)
        refused = picky.post("/tasks", json=asked("of_struct", {}))
        problem(refused, 503, "too-busy")
        assert refused.headers["Retry-After"]
        for kind in ("of_dataclass", "of_model", "of_nothing"):
            assert picky.post("/tasks", json=asked(kind, {})).status_code == 201
        GATE.set()
        assert [each.result(30).status_code for each in slow] == [201] * len(slow)
    assert picky.post("/tasks", json=asked("of_struct", {})).status_code == 201


def test_the_event_loop_runs_no_check(picky: FlaskClient) -> None:
    fast = FastPath(picky.application)
    content = json.dumps(asked("of_struct", {"error": "exit"})).encode()
    assert asyncio.run(fast.answer(None, {}, content)) is None


def test_types_with_checks_are_listed_and_documented(picky: FlaskClient) -> None:
    assert [each["name"] for each in body(picky.get("/types"))["types"]] == sorted(FUNCTIONS)
    assert picky.get("/openapi.json").status_code == 200

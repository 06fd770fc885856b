"""A part of the fuzzing run: no answer is a 5xx, and every error is a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.application import create_app
from app.api.services import services_of
from app.config import read_settings
from app.task_types import load_task_types
from tests.fuzz.grammar import Grammar
from tests.fuzz.run import fuzz

if TYPE_CHECKING:
    import pytest
    from redis import Redis
    from sqlalchemy import Engine

REQUESTS = 3000


def test_no_request_of_thousands_is_answered_with_a_5xx(
    servers: dict[str, str], engine: Engine, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings(servers | {"EXTERNAL_TASK_TYPES": "outside", "LOG_LEVEL": "error", "AUTH": "off"})
    app = create_app(settings, load_task_types(settings))
    summary = fuzz(app, requests=REQUESTS, seed=1)
    services_of(app).engine.dispose()
    with capsys.disabled():
        print(f"\nFuzzing: {summary}")  # noqa: T201
    assert not summary.faults, "\n".join(summary.faults[:10])
    assert summary.statuses.total() == REQUESTS
    assert summary.statuses[201] > 20, "some requests were valid"
    assert {400, 404, 405, 409, 415, 422} <= set(summary.statuses)


def test_a_seed_makes_the_same_requests() -> None:
    def some(seed: int) -> list[tuple[str, str, bytes]]:
        grammar = Grammar(seed)
        made = [grammar.request() for _ in range(200)]
        return [(each["REQUEST_METHOD"], each["PATH_INFO"], each["wsgi.input"].getvalue()) for each in made]

    assert some(1) == some(1)
    assert some(1) != some(2)

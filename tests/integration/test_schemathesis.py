"""Schemathesis sends all that the OpenAPI document allows and much that it forbids, with all its checks on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.transport.wsgi import WSGITransport

from app.api.application import create_app
from app.api.services import services_of
from app.config import read_settings
from app.task_types import TaskType, TaskTypes, load_task_types
from tests.integration.keys import PASSWORD, make_key

if TYPE_CHECKING:
    from flask import Flask
    from redis import Redis
    from sqlalchemy import Engine

CONFIG = """
seed = 1
continue-on-failure = true

[generation]
max-examples = 40
deterministic = true
database = "none"
# JSON Schema cannot express "no NUL in any text"; the tables of bad input test it.
allow-x00 = false

[auth.openapi.key]
bearer = "{key}"

[checks]
enabled = true
# The default, and 413: a list that is too long may be too large first.
negative_data_rejection.expected-statuses = [
    "400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx",
]

# PUT is what an earlier system calls POST here: promised, and kept out of the document on purpose.
[[operations]]
include-path = "/tasks"
checks.unsupported_method.enabled = false
checks.allow_header_conformance.enabled = false

# They need no key, so none is sent; without a key, every missing path and method is answered 401.
[[operations]]
include-path = ["/health", "/ready"]
checks.unsupported_method.enabled = false
"""
CHECKS = {
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "unsupported_method",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
}


@pytest.fixture
def application(servers: dict[str, str], engine: Engine, redis: Redis) -> Iterator[Flask]:
    """The service with the built-in types and one for outside workers. Without our server, no request waits."""
    settings = read_settings(
        servers | {"EXTERNAL_TASK_TYPES": "outside", "LOG_LEVEL": "error", "AUTH": "on", "SECRET_KEY": PASSWORD}
    )
    app = create_app(settings, TaskTypes(each for each in load_task_types(settings) if is_delivered(each)))
    yield app
    services_of(app).engine.dispose()
    services_of(app).redis.close()


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop options for sockets, which Schemathesis 4.32 passes to Werkzeug's client when it probes for ignored keys."""
    send = WSGITransport.send

    def without_sockets(self: Any, case: Any, *, session: Any = None, **options: Any) -> Any:
        of_sockets = {"max_redirects", "verify", "cert", "proxies"}
        return send(self, case, session=session, **{name: options[name] for name in options.keys() - of_sockets})

    monkeypatch.setattr(WSGITransport, "send", without_sockets)


def is_delivered(kind: TaskType) -> bool:
    """Return whether a type is built in or external. Types of other tests have schemas that the document omits."""
    return kind.external or bool(kind.handler and kind.handler.function.__module__.startswith("workers."))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("probes")
def test_the_service_does_what_its_document_says(
    application: Flask, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    _, secret = make_key(engine, "admin")
    config = SchemathesisConfig.from_str(CONFIG.replace("{key}", secret))
    schema = schemathesis.openapi.from_wsgi("/openapi.json", application, config=config)
    statuses, checks, failures = run(schema)
    with capsys.disabled():
        print(f"\nSchemathesis: {statuses.total()} requests, {by_class(statuses)}; {checks.total()} checks")  # noqa: T201
    assert not failures, "\n\n".join(failures.values())
    assert set(checks) >= CHECKS
    assert statuses.total() > 500


@schemathesis.hook("before_call")
def leave_out_what_the_document_cannot_say(context: Any, case: Any, kwargs: Any) -> None:
    """Change values for which the service differs from the document, on purpose or because it cannot express the rule.

    These are invalid cursors, empty parameters (which count as absent), integers beyond 64 bits inside arbitrary JSON,
    tasks without exactly one time, and other spellings (`app.api.reading.spellings`), which become invalid here.
    """
    for name in [each for each, value in (case.query or {}).items() if each == "cursor" or is_empty(value)]:
        del case.query[name]
    bodies = [case.body]
    if isinstance(case.body, dict) and isinstance(case.body.get("tasks"), list):
        bodies += case.body["tasks"]
    for body in bodies:
        if isinstance(body, dict):
            body |= {name: within_64_bits(body[name]) for name in ("payload", "result") if name in body}
            body |= {name: False for name, value in body.items() if name != "result" and is_another_spelling(value)}
    if case.meta.generation.mode == GenerationMode.POSITIVE:
        for task in bodies:
            if case.operation.label in {"POST /tasks", "POST /tasks/batch"} and "type" in task:
                has_one_time(task)


def is_empty(value: Any) -> bool:
    return value in ("", None) or (isinstance(value, list) and not any(value))


def is_another_spelling(value: Any) -> bool:
    return value is None or value == []


def has_one_time(task: dict[str, Any]) -> None:
    """Make sure that a task has exactly one time."""
    if "execute_at" in task:
        task.pop("delay_s", None)
    else:
        task.setdefault("delay_s", 1)


def within_64_bits(value: Any) -> Any:
    """Return the same value with smaller integers."""
    if isinstance(value, dict):
        return {name: within_64_bits(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [within_64_bits(inner) for inner in value]
    return value % 2**63 if isinstance(value, int) and not isinstance(value, bool) else value


def run(schema: Any) -> tuple[Counter[int], Counter[str], dict[Any, str]]:
    """Return the answers by status, the checks by name, and one example of each failure."""
    statuses: Counter[int] = Counter()
    checks: Counter[str] = Counter()
    failures: dict[Any, str] = {}
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures[event.id] = str(event)
        if not isinstance(event, events.ScenarioFinished):
            continue
        statuses.update(each.response.status_code for each in event.recorder.interactions.values() if each.response)
        for case, check in ((case, check) for case, done in event.recorder.checks.items() for check in done):
            checks[check.name] += 1
            if check.failure_info:
                failure, sent = check.failure_info.failure, event.recorder.interactions.get(case)
                failures.setdefault((check.name, event.label, failure.title), f"{check.name}: {failure}\n{show(sent)}")
    return statuses, checks, failures


def show(sent: Any) -> str:
    """Return a request and its answer as text."""
    if sent is None:
        return ""
    answer = f"{sent.response.status_code} {sent.response.content[:500]!r}" if sent.response else "no answer"
    return f"{sent.request.method} {sent.request.uri} {sent.request.body!r}\n{answer}"


def by_class(statuses: Counter[int]) -> str:
    """Return the number of answers of each class as text."""
    classes = Counter({f"{status // 100}xx": 0 for status in statuses})
    for status, count in statuses.items():
        classes[f"{status // 100}xx"] += count
    return ", ".join(f"{count} {name}" for name, count in sorted(classes.items()))

"""The OpenAPI document, and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.api.application import create_app
from app.task_types import TaskType, TaskTypes
from app.web import __file__ as web
from tests.integration.api_calls import body

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from app.config import Settings

METHODS = {"get", "post", "put", "patch", "delete"}
UNDOCUMENTED = {"/favicon.ico", "/openapi.json", "/docs", "/problems/", "/problems/{slug}", "/sign-in", "/sign-out"}
AUTH_STATUSES = {"401", "403", "429"}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    """The served document."""
    return body(client.get("/openapi.json"))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every operation with its method and path."""
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method]


def references(part: Any) -> Iterator[str]:
    """Yield every `$ref` of this part."""
    if isinstance(part, dict):
        yield from ([part["$ref"]] if isinstance(part.get("$ref"), str) else [])
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_the_document_is_openapi_3_1_with_all_required_parts(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Punctual"
    assert document["info"]["version"]
    assert set(document) >= {"openapi", "info", "paths", "components", "tags"}


def test_every_route_is_documented(client: FlaskClient, document: dict[str, Any]) -> None:
    routed = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS", "PUT"}
        if not rule.rule.startswith(("/static", "/rq", "/task/")) and rule.rule != "/task"
    }
    documented = {(method, path) for method, path, _ in operations(document)}
    assert {(method, path) for method, path in routed if path not in UNDOCUMENTED} == documented


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    for reference in set(references(document)):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert isinstance(found, dict)


def test_every_operation_has_a_unique_name_a_tag_and_a_summary(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in document["tags"]}
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert operation["description"]
        assert set(operation["tags"]) <= tags


def test_operations_have_names_that_are_identifiers(document: dict[str, Any]) -> None:
    names = {operation["operationId"] for _, _, operation in operations(document)}
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names), names
    assert names >= {"create_task", "create_tasks", "list_tasks", "show_task", "delete_task", "claim_task"}


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of this part."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from parts(inner)


def test_schemas_use_only_keywords_that_client_generators_understand(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    found = list(parts(schemas))
    assert len(found) > 100
    for each in found:
        assert each.keys().isdisjoint({"oneOf", "allOf", "not", "multipleOf", "default", "$defs"}), each
        if isinstance(each.get("enum"), list):
            assert each["type"] == "string"
        if each.get("type") == "object":
            assert "properties" in each or "additionalProperties" in each, each
    new = schemas["NewTask"]["properties"]
    assert (new["max_attempts"]["type"], new["max_attempts"]["minimum"], new["max_attempts"]["maximum"]) == (
        "integer", 1, 100,
    )  # fmt: skip
    assert schemas["ClaimNext"]["properties"]["limit"]["type"] == "integer"
    assert new["payload"]["additionalProperties"] is True
    assert schemas["Task"]["properties"]["execute_at"]["format"] == "date-time"
    assert {each["format"] for each in schemas["Task"]["properties"]["started_at"]["anyOf"] if "format" in each} == {
        "date-time"
    }


def test_every_path_parameter_is_declared(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        declared = {each["name"]: each for each in item.get("parameters", [])}
        assert set(re.findall(r"{(\w+)}", path)) == set(declared)
        assert all(each["required"] and each["in"] == "path" for each in declared.values())


def test_every_parameter_has_a_schema_and_a_description(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert parameter["in"] in {"query", "header"}
            assert parameter["schema"]
            assert parameter["description"]


def test_every_answer_is_described_and_errors_are_problems(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            assert response["description"], (method, path, status)
            assert "X-Request-ID" in response["headers"]
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]
                assert response["content"]["application/problem+json"]["examples"]
            elif int(status) != 204:
                assert response["content"]["application/json"]["examples"]


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("post", "/tasks", {"201", "400", "408", "413", "415", "422", "500", "503"} | AUTH_STATUSES),
        ("get", "/tasks", {"200", "422", "500", "503"} | AUTH_STATUSES),
        ("get", "/tasks/{task_id}", {"200", "404", "422", "500", "503"} | AUTH_STATUSES),
        ("delete", "/tasks/{task_id}", {"200", "204", "404", "409", "422", "500", "503"} | AUTH_STATUSES),
        ("get", "/tasks/next", {"200", "204", "422", "500", "503"} | AUTH_STATUSES),
        ("post", "/tasks/claim", {"200", "204", "400", "408", "413", "415", "422", "500", "503"} | AUTH_STATUSES),
        (
            "post",
            "/tasks/{task_id}/claim",
            {"200", "400", "404", "408", "409", "413", "415", "422", "500", "503"} | AUTH_STATUSES,
        ),
        (
            "post",
            "/tasks/{task_id}/complete",
            {"200", "400", "404", "408", "409", "413", "415", "422", "500", "503"} | AUTH_STATUSES,
        ),
        ("get", "/types", {"200", "422", "500", "503"} | AUTH_STATUSES),
        ("get", "/ready", {"200", "422", "500", "503"}),
        ("get", "/health", {"200", "422", "500"}),
    ],
)
def test_an_operation_names_every_status_it_can_answer(
    document: dict[str, Any], method: str, path: str, statuses: set[str]
) -> None:
    assert set(document["paths"][path][method]["responses"]) == statuses


def test_every_schema_is_used_and_named(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    used = {reference.rpartition("/")[2] for reference in references(document) if "/schemas/" in reference}
    assert used == set(schemas)
    assert schemas["TaskState"]["enum"] == sorted(schemas["TaskState"]["enum"])
    assert schemas["NewTask"]["required"] == ["type"]
    assert schemas["NewTask"]["additionalProperties"] is False


def test_the_document_knows_the_types_of_this_service(document: dict[str, Any], types: TaskTypes) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["TypeName"]["enum"] == types.names
    assert schemas["ExternalTypeName"]["enum"] == ["outside"]


def test_the_page_loads_from_this_host_only(client: FlaskClient) -> None:
    answer = client.get("/docs")
    assert answer.content_type.startswith("text/html")
    links = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert len(links) >= 4
    assert all(link.startswith("/") and not link.startswith("//") for link in links if link != "data:,")
    for link in links:
        assert link == "data:," or client.get(link, buffered=True).status_code == 200


def test_the_page_has_no_inline_script_and_forbids_it(client: FlaskClient) -> None:
    answer = client.get("/docs")
    assert not re.search(r"<script>|<script [^>]*>[^<]|<style|style=| on\w+=|javascript:", answer.text)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_external_validator_is_off() -> None:
    assert "validatorUrl: null" in Path(web).with_name("static").joinpath("docs.js").read_text()


@pytest.mark.usefixtures("_same_log_settings")
def test_names_of_types_that_would_be_one_identifier_are_not_listed(settings: Settings, types: TaskTypes) -> None:
    both = [TaskType(name=name, handler=None) for name in ("report.mail", "report-mail")]
    app = create_app(settings, TaskTypes([*types, *both]))
    schemas = body(app.test_client().get("/openapi.json"))["components"]["schemas"]
    assert "enum" not in schemas["TypeName"]
    assert schemas["ExternalTypeName"]["enum"] == ["outside"]

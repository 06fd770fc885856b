"""Signing in with a browser: sessions, their cookies, and forged requests from other sites."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from app.api.services import services_of
from app.ledger import keys as ledger
from tests.integration.api_calls import FUTURE, problem
from tests.integration.keys import PASSWORD, SAME_SITE, UNKNOWN, bearer, make_key

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine
    from werkzeug.test import TestResponse

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
TASK = {"type": "foo", "execute_at": FUTURE}


@pytest.fixture
def browser(client_with: Callable[..., FlaskClient]) -> FlaskClient:
    """A browser on an application that requires keys."""
    return client_with(auth="on", secret_key=PASSWORD, redis_timeout_s=5.0)


def sign_in(browser: FlaskClient, secret: str, **more: str) -> TestResponse:
    return browser.post("/sign-in", data={"key": secret} | more, headers=SAME_SITE)


def signed_in(browser: FlaskClient, engine: Engine, *scopes: str) -> str:
    """Sign in with a new key and return the CSRF token of the session."""
    assert sign_in(browser, make_key(engine, *scopes)[1]).status_code == 303
    return field(browser.get("/sign-in"), "csrf_token")


def field(answer: TestResponse, name: str) -> str:
    (value,) = re.findall(rf'name="{name}" value="([^"]*)"', answer.text)
    return html.unescape(value)


def test_a_page_without_a_session_redirects_to_the_sign_in_and_back(browser: FlaskClient, engine: Engine) -> None:
    sent = browser.get("/rq/0/view/workers?a=b", headers=BROWSER)
    assert (sent.status_code, sent.location) == (303, "/sign-in?next=/rq/0/view/workers%3Fa%3Db")
    page = browser.get(sent.location)
    assert field(page, "next") == "/rq/0/view/workers?a=b"
    back = sign_in(browser, make_key(engine, "read")[1], next=field(page, "next"))
    assert (back.status_code, back.location) == (303, "/rq/0/view/workers?a=b")
    assert browser.get(back.location, headers=BROWSER).status_code == 200
    assert browser.get("/rq", headers=BROWSER, follow_redirects=True).status_code == 200


def test_a_request_of_a_script_gets_an_error_not_a_redirect(browser: FlaskClient) -> None:
    problem(browser.get("/rq/0/data/queues.json", headers={"Accept": "application/json"}), 401, "unauthenticated")


@pytest.mark.parametrize("elsewhere", ["//evil.com", "https://evil.com", "/\\evil.com", "/\t/evil.com"])
def test_signing_in_leads_to_no_other_site(browser: FlaskClient, engine: Engine, elsewhere: str) -> None:
    assert field(browser.get("/sign-in", query_string={"next": elsewhere}), "next") == "/rq/"
    assert sign_in(browser, make_key(engine, "read")[1], next=elsewhere).location == "/rq/"


def test_the_cookie_is_hidden_from_scripts_other_sites_and_plain_http(
    client_with: Callable[..., FlaskClient], browser: FlaskClient, engine: Engine
) -> None:
    secret = make_key(engine, "read")[1]
    cookie = sign_in(browser, secret).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert secret not in cookie
    assert re.search(r"Expires=", cookie)
    https = browser.post("/sign-in", data={"key": secret}, headers=SAME_SITE, base_url="https://localhost")
    assert "Secure" in https.headers["Set-Cookie"]
    production = client_with(auth="on", app_env="production", secret_key=PASSWORD)
    assert "Secure" in sign_in(production, secret).headers["Set-Cookie"]


@pytest.mark.parametrize("secret", ["", "pk_wrong", UNKNOWN, "<script>"])
def test_a_wrong_key_is_refused_on_the_page(browser: FlaskClient, engine: Engine, secret: str) -> None:
    make_key(engine, "read")
    refused = sign_in(browser, secret)
    assert refused.status_code == 401
    assert refused.content_type.startswith("text/html")
    assert 'role="alert"' in refused.text
    assert "Set-Cookie" not in refused.headers
    assert not secret or secret not in refused.text


def test_a_key_without_the_read_scope_cannot_sign_in(browser: FlaskClient, engine: Engine) -> None:
    assert sign_in(browser, make_key(engine, "write", "worker")[1]).status_code == 403


def test_failed_attempts_to_sign_in_are_limited(browser: FlaskClient, engine: Engine) -> None:
    services_of(browser.application).minutes._clock = lambda: 6000.0
    assert [sign_in(browser, "x").status_code for _ in range(11)] == [401] * 10 + [429]
    assert sign_in(browser, make_key(engine, "read")[1]).status_code == 303, "a valid key is accepted all the same"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "http://evil.com"},
        {"Origin": "null"},
        {"Origin": "http://[bad"},
        {},
    ],
)
def test_a_form_on_another_site_cannot_sign_in(browser: FlaskClient, engine: Engine, headers: dict[str, str]) -> None:
    answer = browser.post("/sign-in", data={"key": make_key(engine, "read")[1]}, headers=headers)
    problem(answer, 403, "forged-request")


def test_an_older_browser_is_identified_by_its_origin_header(browser: FlaskClient, engine: Engine) -> None:
    origin = {"Origin": "https://localhost"}  # a proxy ends https
    assert browser.post("/sign-in", data={"key": make_key(engine, "read")[1]}, headers=origin).status_code == 303


def test_a_session_ends_when_its_key_is_revoked(browser: FlaskClient, engine: Engine) -> None:
    key, secret = make_key(engine, "read")
    sign_in(browser, secret)
    assert browser.get("/rq/").status_code == 200
    ledger.revoke(engine, key.id)
    keys = services_of(browser.application).keys
    clock = keys._clock
    keys._clock = lambda: clock() + 2
    problem(browser.get("/rq/"), 401, "unauthenticated")
    assert browser.get_cookie("punctual") is None
    assert "API key" in browser.get("/sign-in").text


def test_a_session_ends_with_the_sign_out(browser: FlaskClient, engine: Engine) -> None:
    token = signed_in(browser, engine, "read")
    assert "You are signed in" in browser.get("/sign-in").text
    problem(browser.post("/sign-out", headers=SAME_SITE), 403, "forged-request")
    assert browser.get("/rq/").status_code == 200
    assert browser.post("/sign-out", data={"csrf_token": token}, headers=SAME_SITE).location == "/sign-in"
    problem(browser.get("/rq/"), 401, "unauthenticated")
    assert browser.post("/sign-out").status_code == 303


@pytest.mark.parametrize("cookie", ["", "x", "eyJrZXkiOiJ4In0.aaaa.bbbb", "é", "x" * 4000])
def test_a_forged_cookie_is_no_session(browser: FlaskClient, cookie: str) -> None:
    browser.set_cookie("punctual", cookie)
    problem(browser.get("/rq/"), 401, "unauthenticated")


def test_a_cookie_signed_with_another_secret_is_no_session(
    client_with: Callable[..., FlaskClient], browser: FlaskClient, engine: Engine
) -> None:
    signed_in(browser, engine, "admin")
    cookie = browser.get_cookie("punctual")
    assert cookie
    elsewhere = client_with(auth="on", secret_key=PASSWORD[::-1])
    elsewhere.set_cookie("punctual", cookie.value)
    problem(elsewhere.get("/rq/"), 401, "unauthenticated")
    same = client_with(auth="on", secret_key=PASSWORD)
    same.set_cookie("punctual", cookie.value)
    assert same.get("/rq/").status_code == 200


def test_a_change_by_cookie_needs_a_token_the_same_site_and_the_admin_scope(
    browser: FlaskClient, engine: Engine
) -> None:
    token = {"X-CSRF-Token": signed_in(browser, engine, "admin")}
    for headers in ({}, SAME_SITE, token, token | {"Sec-Fetch-Site": "cross-site"}, SAME_SITE | {"X-CSRF-Token": "é"}):
        problem(browser.post("/tasks", json=TASK, headers=headers), 403, "forged-request")
        problem(browser.delete("/tasks/x", headers=headers), 403, "forged-request")
    assert browser.post("/tasks", json=TASK, headers=SAME_SITE | token).status_code == 201
    assert browser.get("/tasks").status_code == 200
    token = {"X-CSRF-Token": signed_in(browser, engine, "read", "write")}
    assert (
        problem(browser.post("/tasks", json=TASK, headers=SAME_SITE | token), 403, "scope-missing")["needed"] == "admin"
    )


def test_a_key_in_the_header_replaces_the_session(browser: FlaskClient, engine: Engine) -> None:
    signed_in(browser, engine, "admin")
    problem(browser.get("/tasks", headers=bearer(UNKNOWN)), 401, "unauthenticated")
    own = bearer(make_key(engine, "write")[1])
    assert browser.post("/tasks", json=TASK, headers=own).status_code == 201
    assert problem(browser.get("/tasks", headers=own), 403, "scope-missing")["needed"] == "read"


def test_the_rq_dashboard_is_read_only_for_every_scope(browser: FlaskClient, engine: Engine) -> None:
    token = {"X-CSRF-Token": signed_in(browser, engine, "admin")}
    problem(browser.get("/rq/requeue/default"), 403, "read-only")
    problem(browser.post("/rq/requeue/default", headers=SAME_SITE | token), 403, "read-only")
    problem(browser.post("/rq/requeue/default", headers=SAME_SITE), 403, "forged-request")


def test_the_page_has_no_script_and_allows_none(browser: FlaskClient) -> None:
    answer = browser.get("/sign-in")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<script|<style|style=| on\w+=|javascript:", answer.text)
    (sheet,) = re.findall(r'<link rel="stylesheet" href="([^"]*)"', answer.text)
    assert browser.get(sheet, buffered=True).status_code == 200
    assert re.search(r'<label for="key">', answer.text)


def test_without_keys_the_page_says_that_none_is_needed(client: FlaskClient) -> None:
    assert "No sign-in is needed" in client.get("/sign-in").text
    assert client.post("/sign-in", data={"key": "x"}, headers=SAME_SITE).location == "/sign-in"
    assert client.get("/rq/", headers=BROWSER).status_code == 200


def test_a_large_form_is_refused(browser: FlaskClient) -> None:
    problem(sign_in(browser, "x" * 100_000), 413, "body-too-large")

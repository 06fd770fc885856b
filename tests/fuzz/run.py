"""Sends corrupted requests to an application and checks every answer."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIEnvironment

from werkzeug.test import run_wsgi_app

from tests.fuzz.grammar import Grammar

if TYPE_CHECKING:
    from flask import Flask

PROBLEM = "application/problem+json"
LEAKS = (b"Traceback", b"psycopg", b"sqlalchemy", b"postgresql://", b"redis://", b"SELECT ")


@dataclass(slots=True)
class Summary:
    """The number of answers by status, and the faults."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the counts by class, then by status."""
        classes = Counter[int]()
        for status, count in self.statuses.items():
            classes[status // 100] += count
        by_class = ", ".join(f"{classes[each]} {each}xx" for each in range(2, 6))
        by_status = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return f"{self.statuses.total()} requests: {by_class} ({by_status})"


def fuzz(app: Flask, *, requests: int, seed: int) -> Summary:
    """Send requests and check the answers. A seed determines the requests, except for ids that the service makes."""
    grammar, summary = Grammar(seed), Summary()
    for number in range(requests):
        environ = grammar.request()
        sent = environ["wsgi.input"].getvalue()
        try:
            parts, line, headers = run_wsgi_app(app, environ, buffered=True)
        except Exception as error:  # noqa: BLE001 - every exception is a fault
            summary.faults.append(f"#{number} raised {error!r}: {_described(environ, sent)}")
            continue
        status, body = int(line[:3]), b"".join(parts)
        summary.statuses[status] += 1
        if fault := _fault(status, headers.get("Content-Type", ""), body, environ):
            summary.faults.append(f"#{number} {fault}: {_described(environ, sent)} -> {status} {body[:300]!r}")
        if body and status < 300 and headers.get("Content-Type") == "application/json":
            grammar.learn(json.loads(body))
    return summary


def _fault(status: int, content_type: str, body: bytes, environ: WSGIEnvironment) -> str:
    if status >= 500:
        return "server error"
    if any(leak in body for leak in LEAKS) and not environ["PATH_INFO"].startswith("/static/"):
        return "leaks internals"
    if status < 400 or environ["REQUEST_METHOD"].upper() == "HEAD":
        return ""
    if environ["PATH_INFO"] == "/sign-in" and content_type.startswith("text/html"):
        return ""  # a page with the form to try again
    if content_type != PROBLEM:
        return f"a {content_type} instead of a problem"
    refusal: dict[str, Any] = json.loads(body)
    is_complete = (
        refusal.get("status") == status
        and refusal.get("type", "").startswith("/problems/")
        and refusal.get("request_id")
    )
    return "" if is_complete else "an incomplete problem"


def _described(environ: WSGIEnvironment, sent: bytes) -> str:
    headers = {name: text[:200] for name, text in environ.items() if name.startswith(("HTTP_", "CONTENT_"))}
    target = f"{environ['PATH_INFO'][:300]!r}?{environ['QUERY_STRING'][:300]}"
    return f"{environ['REQUEST_METHOD']} {target} {headers} {sent[:500]!r}"

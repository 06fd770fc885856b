"""Generates requests: valid ones of every call, most of them corrupted somewhere."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes
from wsgiref.types import WSGIEnvironment

from tests.fuzz import nasty

FUTURE, PAST = "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
MAX_KNOWN = 50
VALID: tuple[tuple[str, str, dict[str, Any], Any], ...] = (
    ("POST", "/tasks", {}, {"type": "foo", "execute_at": FUTURE, "payload": {"a": [1, "é"]}}),
    ("POST", "/tasks", {}, {"type": "outside", "execute_at": PAST, "timeout_s": 5, "max_attempts": 3}),
    ("PUT", "/task", {}, {"kind": "baz", "send_ts": FUTURE}),
    (
        "POST",
        "/tasks/batch",
        {},
        {"tasks": [{"type": "foo", "delay_s": 9}, {"kind": "baz", "time": FUTURE, "payload": {}}]},
    ),
    ("GET", "/tasks", {"state": "scheduled,running", "type": "foo", "limit": "5", "order": "-execute_at"}, None),
    ("GET", "/tasks", {"since": PAST, "until": FUTURE, "q": "01"}, None),
    ("GET", "/tasks", {"limit": "1", "cursor": "{cursor}"}, None),
    ("GET", "/tasks/{id}", {"wait_s": "1"}, None),
    ("DELETE", "/tasks/{id}", {}, None),
    ("GET", "/tasks/next", {"type": "foo"}, None),
    ("POST", "/tasks/claim", {}, {"worker_id": "w", "type": "outside", "limit": 2, "wait_s": 1}),
    ("POST", "/tasks/{id}/claim", {}, {"worker_id": "w"}),
    ("POST", "/tasks/{id}/heartbeat", {}, {"claim_token": "{token}"}),
    ("POST", "/tasks/{id}/complete", {}, {"claim_token": "{token}", "result": {"a": 1}}),
    ("POST", "/tasks/{id}/fail", {}, {"claim_token": "{token}", "error": {"type": "x", "message": "no"}}),
    ("POST", "/tasks/{id}/release", {}, {"claim_token": "{token}"}),
    ("GET", "/types", {}, None),
    ("GET", "/health", {}, None),
    ("GET", "/ready", {}, None),
    ("GET", "/", {}, None),
    ("GET", "/docs", {}, None),
    ("GET", "/problems/not-found", {}, None),
    ("GET", "/static/docs.js", {}, None),
    ("GET", "/sign-in", {"next": "/rq/"}, None),
    ("POST", "/sign-in", {}, {"key": "x"}),
    ("GET", "/rq/", {}, None),
    ("GET", "/rq/0/view/jobs/default/queued/8/asc/1", {}, None),
    ("POST", "/rq/job/x/delete", {}, None),
)


@dataclass(slots=True)
class Grammar:
    """A generator of requests. With `ids`, `tokens` and `cursors` of answers some requests refer to existing tasks."""

    seed: int
    ids: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    chance: Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)

    def learn(self, answer: Any) -> None:
        """Remember ids, tokens and cursors of an answer for later requests."""
        if not isinstance(answer, dict):
            return
        for known, name in ((self.ids, "id"), (self.tokens, "claim_token"), (self.cursors, "next_cursor")):
            if isinstance(answer.get(name), str):
                known.append(answer[name])
                del known[:-MAX_KNOWN]

    def request(self) -> WSGIEnvironment:
        """Return the next request as the WSGI environment that a web server passes."""
        chance = self.chance
        method, path, query, body = chance.choice(VALID)
        path, query, body = self._filled(path), self._filled(query), self._filled(body)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if chance.random() < 0.05:
            method = chance.choice(nasty.METHODS)
        if chance.random() < 0.15:
            path = self._corrupted_path(path)
        if chance.random() < 0.3:
            query |= {
                chance.choice(nasty.PARAMETERS): str(nasty.value(chance))[:9000] for _ in range(chance.randrange(3))
            }
        if chance.random() < 0.2:
            headers |= {chance.choice(nasty.HEADERS): chance.choice(nasty.HEADER_VALUES) for _ in range(3)}
        return self._environ(method, path, self._encoded(query), headers, self._body(body))

    def _filled(self, part: Any) -> Any:
        if isinstance(part, dict):
            return {name: self._filled(inner) for name, inner in part.items()}
        if not isinstance(part, str):
            return part
        for known, name in ((self.ids, "{id}"), (self.tokens, "{token}"), (self.cursors, "{cursor}")):
            if name in part:
                part = part.replace(name, self.chance.choice(known or ["01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"]))
        return part

    def _body(self, body: Any) -> bytes:
        chance = self.chance
        kind = chance.random()
        if body is None or kind < 0.1:
            return chance.randbytes(chance.choice((0, 0, 0, 1, 30, 3000)))
        if kind < 0.7:
            body = self._changed(body)
        raw = nasty.text(body, chance)
        return nasty.corrupted(raw, chance) if chance.random() < 0.25 else raw

    def _changed(self, body: dict[str, Any]) -> Any:
        chance, changed = self.chance, dict(body)
        for _ in range(chance.randrange(1, 4)):
            name = chance.choice([*changed, chance.choice(nasty.NAMES)])
            if chance.random() < 0.2:
                changed.pop(name, None)
            else:
                changed[name] = nasty.value(chance)
        return changed if chance.random() < 0.97 else nasty.value(chance)

    def _corrupted_path(self, path: str) -> str:
        chance = self.chance
        parts = path.split("/")
        parts.insert(chance.randrange(len(parts) + 1), str(chance.choice((*nasty.TEXTS, *nasty.NUMBERS[:12]))))
        if chance.random() < 0.5:
            del parts[chance.randrange(len(parts))]
        return "/".join(parts) if chance.random() < 0.8 else chance.randbytes(20).decode("latin-1")

    def _encoded(self, query: dict[str, Any]) -> str:
        pairs = [f"{name}={quote_from_bytes(str(text).encode(errors='surrogatepass'))}" for name, text in query.items()]
        if self.chance.random() < 0.1:
            pairs += pairs[:1]
        if self.chance.random() < 0.1:
            pairs.append(nasty.corrupted("&".join(pairs).encode(errors="replace"), self.chance).decode("latin-1"))
        return "&".join(pairs).encode(errors="replace").decode("latin-1")

    def _environ(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> WSGIEnvironment:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path.encode(errors="surrogatepass").decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if body and self.chance.random() < 0.8:
            environ["CONTENT_LENGTH"] = str(len(body))
        for name, text in headers.items():
            plain = name.upper().replace("-", "_")
            environ[plain if plain in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{plain}"] = text
        return environ

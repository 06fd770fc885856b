"""Raw requests of random parts: every error that the service itself answers has an explanation."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from tests.acceptance.sockets import connect

if TYPE_CHECKING:
    from tests.acceptance.service import Service

REQUESTS, SEED = 1500, 1
METHODS = [*b"GET POST PUT DELETE PATCH HEAD OPTIONS TRACE get X-Y".split(), b"P\x01ST"]
PATHS = [
    *b"/tasks /task /tasks/claim /tasks/next /tasks/batch /docs /ready /rq/ /sign-in /static/docs.js".split(),
    *b"/problems/ http://x/tasks //tasks /%2e%2e/tasks /tasks/%00 /tasks%ff /punctual/tasks *".split(),
    *(b"/tasks?wait_s=0.1", b"/tasks?q=%ff&limit=%", b"/t\xc3\xa9", b"/" + b"x" * 3000),
]
NAMES = [
    *b"Host Content-Type Content-Length Transfer-Encoding Content-Encoding Authorization X-Request-ID Cookie".split(),
    *b"X-Forwarded-Prefix X-Forwarded-Proto X-Forwarded-For Accept Range If-Match Expect Connection X_Y".split(),
    *(b"Prefer", b"User-Agent", b"Origin", b"Sec-Fetch-Site", b"X-" + b"n" * 300),
]
VALUES = [
    *b"x 0 27 1e3 -1 99999999999999999999 chunked close keep-alive https application/json bytes=0-1 bytes=9-1".split(),
    *b"/punctual /a,/b /.. //evil.example javascript:x 100-continue =;= [::1 1.2.3.4:http".split(),
    *(b"", b"gzip, chunked", b"application/json; charset=\xff", b"\xff\xfe", b"\xc3\xa9", b"a\x0bb", b'"', b"x" * 5000),
    *(b"Bearer \xff", b"Bearer x", b"punctual=\xff"),
]
BODIES = [
    *(b"", b"{}", b"null", b"\xff", b"[" * 99, b"5\r\nhello\r\n0\r\n\r\n"),
    *(b'{"type":"noop","delay_s":99}', b'{"worker_id":"w","wait_s":0.1}'),
]


def raw_request(choose: random.Random) -> bytes:
    """Return a request of random parts, most of which are unusual."""
    body = choose.choice(BODIES)
    headers = [(choose.choice(NAMES), choose.choice(VALUES)) for _ in range(choose.randrange(5))]
    if choose.random() < 0.8:
        headers += [(b"Host", b"x"), (b"Content-Length", b"%d" % len(body)), (b"Content-Type", b"application/json")]
    version = choose.choice([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2"])
    lines = [
        b" ".join((choose.choice(METHODS), choose.choice(PATHS), version)),
        *(b": ".join(each) for each in headers),
    ]
    return b"\r\n".join([*lines, b"Connection: close", b"", body])


def answer_to(url: str, request: bytes) -> bytes:
    """Send a request and nothing more; return all that is received."""
    received = b""
    with connect(url) as connection:
        try:
            connection.sendall(request)
            while piece := connection.recv(65536):
                received += piece
        except (TimeoutError, ConnectionError):
            pass
    return received


def test_no_request_is_answered_with_an_error_that_is_not_explained(service: Service) -> None:
    """Requests that granian refuses get a 4xx without a body. The service explains all errors, and none is a 5xx."""
    choose = random.Random(SEED)
    statuses: dict[int, int] = {}
    for _ in range(REQUESTS):
        request = raw_request(choose)
        received = answer_to(service.url, request)
        if not received:
            continue  # closed: it was cut off
        head, _, content = received.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500, (request, received)
        if status >= 400 and content:
            problem = json.loads(content)
            assert problem["request_id"], (request, received)
    assert service.logged("request_crashed", "web") == []
    assert {200, 201, 400, 404, 405, 415, 422} <= set(statuses)

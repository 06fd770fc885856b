"""The service below a path of another site, behind a proxy that removes this path from requests or does not."""

from __future__ import annotations

import http.client
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from app.config import read_settings
from app.connections import connect_postgres
from tests.acceptance.client import new_task
from tests.integration.keys import make_key

if TYPE_CHECKING:
    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service

PREFIX = "/punctual"
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}
LINKS = re.compile(r"""(?:href|src|action)="([^"#][^"]*)\"""")


class Proxy(http.server.BaseHTTPRequestHandler):
    """Forwards requests below the prefix, and answers all others with a 404 of the site itself."""

    protocol_version = "HTTP/1.1"
    target = ""
    strips = True
    names_prefix = True

    def do_GET(self) -> None:
        self._pass_on()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not (self.path == PREFIX or self.path.startswith((f"{PREFIX}/", f"{PREFIX}?"))):
            self._answer(404, [], b"the site itself")
            return
        path = self.path.removeprefix(PREFIX) or "/" if self.strips else self.path
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= {"X-Forwarded-Prefix": PREFIX} if self.names_prefix else {}
        upstream = http.client.HTTPConnection(self.target, timeout=30)
        upstream.request(self.command, path, body or None, headers)
        answer = upstream.getresponse()
        self._answer(answer.status, answer.getheaders(), answer.read())
        upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def proxy(service: Service, **options: Any) -> Iterator[str]:
    """Run a proxy in front of the service; yield its URL without the prefix."""
    handler = type("Mounted", (Proxy,), {"target": urlsplit(service.url).netloc, **options})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def browser() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def assert_everything_leads_below_the_prefix(site: str, service: Service) -> None:
    """Follow every link and location that the service answers."""
    session, url = browser(), site + PREFIX
    for _ in range(3):
        made = session.post(f"{url}/tasks", json=new_task("noop", delay_s=3600))
        assert made.headers["Location"] == f"{PREFIX}/tasks/{made.json()['id']}"
        assert session.get(urljoin(site, made.headers["Location"])).json()["id"] == made.json()["id"]
    unusual = session.post(f"{url}/tasks", json=new_task("noop", delay_s=3600), headers={"X-Unusual": "1"})
    assert unusual.headers["Location"].startswith(f"{PREFIX}/tasks/"), "the one that Flask answers, too"

    page = session.get(f"{url}/tasks?limit=1&type=noop")
    assert session.get(urljoin(site, page.links["next"]["url"])).status_code == 200
    assert page.links["next"]["url"].startswith(PREFIX)

    problem = session.get(f"{url}/tasks/nothing-1").json()
    assert session.get(urljoin(site, problem["type"])).status_code == 200
    assert problem["type"] == f"{PREFIX}/problems/task-not-found"

    document = session.get(f"{url}/openapi.json").json()
    assert document["servers"] == [{"url": PREFIX}]
    for path in ("/docs", "/problems/", "/problems/not-found", "/rq/"):
        answer = session.get(url + path)
        assert answer.status_code == 200, path
        links = [urljoin(answer.url, each) for each in LINKS.findall(answer.text) if not each.startswith("data:")]
        links = [each for each in links if each.startswith(site) and "<%" not in each]
        assert links
        assert [each for each in links if session.get(each).status_code != 200 and "favicon" not in each] == [], path
    script = session.get(f"{url}/static/docs.js").text
    (found,) = re.findall(r'url: "([^"]+)"', script)
    assert session.get(urljoin(f"{url}/docs", found)).json() == document

    queues = session.get(f"{url}/rq/0/data/queues.json").json()["queues"]
    assert all(
        value.startswith(f"{PREFIX}/rq/") for each in queues for key, value in each.items() if key.endswith("_url")
    )

    for path in ("/rq", "/problems"):
        answer = session.get(url + path, allow_redirects=False)
        assert answer.headers["Location"] == f"{PREFIX}{path}/"
    assert session.get(f"{site}/tasks").text == "the site itself"
    assert service.client.request("GET", "/health").status_code == 200, "without the proxy, as a platform asks"


@pytest.mark.parametrize("strips", [True, False])
@pytest.mark.parametrize("names_prefix", [True, False])
def test_everything_works_below_a_prefix(new_service: NewService, strips: bool, names_prefix: bool) -> None:  # noqa: FBT001
    """A proxy that does not send X-Forwarded-Prefix needs the setting."""
    service = new_service({} if names_prefix else {"URL_PREFIX": PREFIX}, worker=0)
    with proxy(service, strips=strips, names_prefix=names_prefix) as site:
        assert_everything_leads_below_the_prefix(site, service)


def test_signing_in_works_below_a_prefix(new_service: NewService) -> None:
    service = new_service({"AUTH": "on"}, worker=0)
    engine = connect_postgres(
        read_settings({"DATABASE_URL": service.database_url, "REDIS_URL": "redis://x"}), name="test"
    )
    _, key = make_key(engine, "read")
    engine.dispose()
    with proxy(service) as site:
        session, url = browser(), site + PREFIX
        html = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
        form = session.get(f"{url}/rq/", headers=html)
        assert form.url == f"{url}/sign-in?next={PREFIX}/rq/"
        (action,) = re.findall(r'action="([^"]+)"', form.text)
        entered = session.post(
            urljoin(site, action), {"key": key, "next": f"{PREFIX}/rq/"}, headers=html, allow_redirects=False
        )
        assert (entered.status_code, entered.headers["Location"]) == (303, f"{PREFIX}/rq/")
        assert f"Path={PREFIX};" in entered.headers["Set-Cookie"] + ";"
        shown = session.get(urljoin(site, entered.headers["Location"]), headers=html)
        assert shown.status_code == 200
        assert f'href="{PREFIX}/sign-in"' in shown.text
        form = session.get(f"{url}/sign-in", headers=html)
        (action,) = re.findall(r'action="([^"]+)"', form.text)
        (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', form.text)
        left = session.post(urljoin(site, action), {"csrf_token": token}, headers=html)
        assert left.url == f"{url}/sign-in"
        assert not session.cookies

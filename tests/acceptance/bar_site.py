"""A small web site for handlers of type `bar`: records requests and answers with a status that the test chooses."""

from __future__ import annotations

import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class BarSite:
    """Listens on a free port. `status` is that of all answers; None: it closes the connection without an answer."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.received: list[Message] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The URL that `bar` requests."""
        return f"http://127.0.0.1:{self._server.server_port}/time"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(site) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the request's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.received.append(self.headers)
                if site.status is None:
                    self.close_connection = True
                    return
                self.send_response(site.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002  # the base class' name
                """Log nothing."""

        return Handler

"""Calls a WSGI application with a request of RSGI, granian's own interface."""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO, NoReturn
from wsgiref.types import WSGIApplication, WSGIEnvironment

from werkzeug.wsgi import FileWrapper

from app.api.url_prefix import FORWARDED_PREFIX, below, peer_of, prefix_of

HEADERS_WITHOUT_PREFIX = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
ENVIRON: dict[str, Any] = {
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


Answer = tuple[int, list[tuple[str, str]], "bytes | FileOnDisk"]


def call(application: WSGIApplication, environ: WSGIEnvironment, body: bytes | Exception) -> Answer:
    """Return the answer of a WSGI application. If `body` is an exception, reading the body raises it."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        head[:] = [int(status[:3]), headers]

    given = {**environ, "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else FailingBody(body)}
    if "HTTP_RANGE" not in environ:  # for a part of a file Werkzeug itself reads the bytes
        given["wsgi.file_wrapper"] = wrap_file
    parts = application(given, start_response)
    try:
        content = parts if isinstance(parts, FileOnDisk) else b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = head
    return status, headers, content


class FailingBody:
    """A body that raises when it is read, so that Flask's error handlers answer."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, _size: int = -1) -> NoReturn:
        """Raise the error."""
        raise self._error


class FileOnDisk:
    """A file as an answer. Only its path is used: the web server reads the file as fast as the client does.

    Otherwise each of many clients that request a large file and never read it would occupy memory for a copy.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.path = file.name

    def close(self) -> None:
        """Close the file. The web server opens it again."""
        self._file.close()


def wrap_file(file: BinaryIO, block_size: int = 8192) -> FileOnDisk | FileWrapper:
    """Return the body that Werkzeug sends for an open file (`wsgi.file_wrapper`, PEP 3333)."""
    return FileOnDisk(file) if isinstance(getattr(file, "name", None), str) else FileWrapper(file, block_size)


def environ_of(scope: Any, url_prefix: str = "") -> WSGIEnvironment:
    """Return the WSGI environment (PEP 3333) of an RSGI request, without the body."""
    name, _, port = scope.server.rpartition(":")
    peer = peer_of(scope)
    prefix = prefix_of(scope.headers.get(FORWARDED_PREFIX), peer, url_prefix)
    environ = {
        **ENVIRON,
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": prefix,
        "PATH_INFO": below(prefix, scope.path).encode().decode("latin-1"),  # WSGI strings are bytes in latin-1
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "REMOTE_ADDR": peer,
        "wsgi.url_scheme": scope.scheme,
        "HTTP_HOST": scope.authority or "",
    }
    return environ | _header_variables(scope.headers)


def _header_variables(given: Any) -> dict[str, str]:
    """Return the headers as WSGI variables; repeated ones are joined by commas.

    A name with an underscore is left out: it would become the same variable as the name with a hyphen.
    """
    headers = {}
    for name in given.keys():  # noqa: SIM118 - iterating over granian's headers themselves makes a list first
        if "_" in name:
            continue
        values = given.get_all(name)
        if name in HEADERS_WITHOUT_PREFIX:
            headers[HEADERS_WITHOUT_PREFIX[name]] = values[0] if len(set(values)) == 1 else ",".join(values)
        else:
            headers["HTTP_" + name.replace("-", "_").upper()] = ("; " if name == "cookie" else ",").join(values)
    return headers

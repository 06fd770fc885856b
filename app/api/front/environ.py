"""From a request as granian has it (RSGI) to one as Flask takes it (WSGI, PEP 3333)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

WITHOUT_PREFIX = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
ALWAYS: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def environ_of(scope: Any) -> WSGIEnvironment:
    """All but the body."""
    name, _, port = scope.server.rpartition(":")
    environ = {
        **ALWAYS,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),  # WSGI's texts are bytes in disguise
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "HTTP_HOST": scope.authority or "",
    }
    return environ | _headers(scope.headers)


def _headers(given: Any) -> dict[str, str]:
    """Repeated ones with commas. A name with an underscore would pass for the one with a hyphen: it is left out."""
    headers = {}
    for name in given.keys():  # noqa: SIM118 - iterating over granian's headers themselves makes a list first
        if "_" in name:
            continue
        values = given.get_all(name)
        if name in WITHOUT_PREFIX:
            headers[WITHOUT_PREFIX[name]] = values[0] if len(set(values)) == 1 else ",".join(values)
        else:
            headers["HTTP_" + name.replace("-", "_").upper()] = ("; " if name == "cookie" else ",").join(values)
    return headers

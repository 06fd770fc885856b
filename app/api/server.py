"""The RSGI application that granian calls: receives requests on an event loop, and answers them in threads by Flask.

A WSGI server hands over requests whose body is still on its way, and reading it blocks a thread for as long as the
sender likes. Here a slow body, a half one, or an answer that the client does not read costs a connection and some
memory, but no thread.
"""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn
from wsgiref.types import WSGIApplication, WSGIEnvironment

from werkzeug.wsgi import FileWrapper

from app.api.application import RESOURCES, create_app_or_exit
from app.api.bodies import Bodies
from app.api.fast_path import FastPath
from app.api.openapi.resource import BodyLimits
from app.api.services import services_of
from app.errors import BodyCutOff

if TYPE_CHECKING:
    Answer = tuple[int, list[tuple[str, str]], bytes | "FileOnDisk"]

THREADS = 16
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
HEADERS_WITHOUT_PREFIX = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
ENVIRON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def make_server() -> Server:
    """Make the application of a web process: the factory that `app.web_server` names."""
    app = create_app_or_exit()
    return Server(app, services_of(app).stopping, Bodies(BodyLimits(app, RESOURCES)), fast_path=FastPath(app))


class Server:
    """An RSGI application (granian's own interface) around a WSGI application."""

    def __init__(
        self, application: WSGIApplication, stopping: threading.Event, bodies: Bodies, *,
        fast_path: FastPath | None = None,
    ) -> None:  # fmt: skip
        self._application = application
        self._stopping = stopping
        self._bodies = bodies
        self._fast_path = fast_path
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    def __rsgi_init__(self, _loop: object) -> None:
        """End long polls on a stop signal. The loop stops by its wake-up descriptor, not by these handlers."""
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: self._stopping.set())

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        if self._fast_path and (size := self._fast_path.size(scope)):
            async with self._bodies.read(protocol, size) as body:
                await self._answer_fast(self._fast_path, scope, protocol, _whole(body, size))
            return
        environ = environ_of(scope)
        size = self._bodies.size(environ)
        if not size:
            await self._answer_in_thread(environ, protocol, b"")
            return
        announced = size if "CONTENT_LENGTH" in environ else 0
        async with self._bodies.read(protocol, size) as body:
            await self._answer_in_thread(environ, protocol, _whole(body, announced))

    async def _answer_fast(self, fast_path: FastPath, scope: Any, protocol: Any, body: bytes | Exception) -> None:
        answer = await fast_path.answer(scope, body) if isinstance(body, bytes) else body
        if isinstance(answer, tuple):
            protocol.response_bytes(*answer)
        else:
            await self._answer_in_thread(environ_of(scope), protocol, answer or body)

    async def _answer_in_thread(self, environ: WSGIEnvironment, protocol: Any, body: bytes | Exception) -> None:
        """Answer by Flask; an exception is raised when the body is read."""
        environ["wsgi.input"] = io.BytesIO(body) if isinstance(body, bytes) else FailingBody(body)
        if "HTTP_RANGE" not in environ:  # of a part of a file Werkzeug reads the bytes
            environ["wsgi.file_wrapper"] = wrap_file
        loop = asyncio.get_running_loop()
        status, headers, content = await loop.run_in_executor(self._threads, self._call, environ)
        if isinstance(content, FileOnDisk):
            protocol.response_file(status, headers, content.path)
        else:
            protocol.response_bytes(status, headers, content)

    def _call(self, environ: WSGIEnvironment) -> Answer:
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
            head[:] = [int(status[:3]), headers]

        parts = self._application(environ, start_response)
        try:
            content = parts if isinstance(parts, FileOnDisk) else b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = head
        return status, headers, content


class FailingBody:
    """A body whose reading raises, so that Flask's error handlers answer."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, _size: int = -1) -> NoReturn:
        """Raise the error."""
        raise self._error


class FileOnDisk:
    """A file to answer, of which only the path is used: the web server reads it as fast as the client does.

    Otherwise hundreds of clients that request a large file and never read it would each hold a copy in memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.path = file.name

    def close(self) -> None:
        """Close the file, which the web server opens again."""
        self._file.close()


def wrap_file(file: BinaryIO, block_size: int = 8192) -> FileOnDisk | FileWrapper:
    """Return what Werkzeug answers for an open file (`wsgi.file_wrapper`, PEP 3333)."""
    return FileOnDisk(file) if isinstance(getattr(file, "name", None), str) else FileWrapper(file, block_size)


def environ_of(scope: Any) -> WSGIEnvironment:
    """Return the WSGI environment (PEP 3333) of an RSGI request, without the body."""
    name, _, port = scope.server.rpartition(":")
    environ = {
        **ENVIRON,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),  # WSGI strings are bytes in latin-1
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
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


def _whole(body: bytes | Exception, size: int) -> bytes | Exception:
    """Return the body, or BodyCutOff if less arrived than was announced."""
    return BodyCutOff() if isinstance(body, bytes) and len(body) < size else body

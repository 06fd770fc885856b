"""The RSGI application that granian calls: receives requests on an event loop, and answers them with Flask in threads.

A WSGI server hands over requests whose body is still on its way, and reading it blocks a thread until the sender has
finished. Here a slow or incomplete body, or an answer that the client does not read, costs a connection and some
memory, but no thread.
"""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn
from wsgiref.types import WSGIApplication, WSGIEnvironment

from werkzeug.wsgi import FileWrapper

from app.api.application import RESOURCES, create_app_or_exit
from app.api.fast_path import FastPath
from app.api.openapi.resource import BodyLimits
from app.api.services import services_of
from app.errors import BodyCutOff, BodyTooSlow
from app.start import EXIT_REFUSED

if TYPE_CHECKING:
    from app.errors import Refusal

    Answer = tuple[int, list[tuple[str, str]], bytes | "FileOnDisk"]

THREADS = 16
MAX_SECONDS = 10.0
MAX_BUFFERED_BYTES = 512 * 1024  # received for any route; more where its operation declares it
MAX_HELD_BYTES = 64 * 1024 * 1024
MAX_LARGE_HELD_BYTES = 64 * 1024 * 1024
METHODS_WITH_BODY = {"POST", "PUT", "PATCH"}
MAX_DIGITS = 18
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
    """Make the application of a web process: the factory that `app.web_server` names.

    If that is refused, the process ends with a code by which the web server knows not to start another one.
    """
    try:
        app = create_app_or_exit()
    except SystemExit as refused:
        sys.stderr.write(f"{refused.code}\n")
        sys.exit(EXIT_REFUSED)
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
        if self._fast_path and (headers := self._fast_path.headers(scope)):
            async with self._bodies.read(protocol, int(headers["content-length"]), exact=True) as body:
                answer = await self._fast_path.answer(scope, headers, body) if isinstance(body, bytes) else body
                if isinstance(answer, tuple):
                    protocol.response_bytes(*answer)
                else:
                    await self._answer_in_thread(environ_of(scope), protocol, answer or body)
            return
        environ = environ_of(scope)
        size = self._bodies.size(environ)
        if not size:
            await self._answer_in_thread(environ, protocol, b"")
            return
        async with self._bodies.read(protocol, size, exact="CONTENT_LENGTH" in environ) as body:
            await self._answer_in_thread(environ, protocol, body)

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


class Bodies:
    """Receives bodies: each within a time and a size, all together within a sum.

    They are held until their request is answered. Used on one event loop only. `max_bytes` returns the limit that the
    operation of a method and path declares, 0 if there is none.
    """

    def __init__(
        self, max_bytes: Callable[[str, str], int], *, within_s: float = MAX_SECONDS, max_held: int = MAX_HELD_BYTES,
        max_large_held: int = MAX_LARGE_HELD_BYTES,
    ) -> None:  # fmt: skip
        self._max_bytes = max_bytes
        self._within_s = within_s
        self._max_held = {False: max_held, True: max_large_held}
        self._held = {False: 0, True: 0}

    def size(self, environ: WSGIEnvironment) -> int:
        """Return how many bytes to wait for; 0 when there is no body, or one so large that it is refused unread."""
        method = environ["REQUEST_METHOD"].upper()
        if method not in METHODS_WITH_BODY:
            return 0
        if "CONTENT_LENGTH" not in environ:
            return self._limit(method, environ) + 1 if "HTTP_TRANSFER_ENCODING" in environ else 0
        length = environ["CONTENT_LENGTH"]
        if not length.isdecimal() or len(length) > MAX_DIGITS:
            return 0
        size = int(length)
        return size if size <= MAX_BUFFERED_BYTES or size <= self._limit(method, environ) else 0

    @asynccontextmanager
    async def read(self, protocol: Any, size: int, *, exact: bool = False) -> AsyncIterator[bytes | Refusal]:
        """Receive `size` bytes, fewer if the body ends before; they are counted until the request is answered.

        The result is BodyTooSlow if they do not arrive in time, or if all bodies hold too much, and BodyCutOff if fewer
        arrive of an `exact` size. Large bodies are counted by themselves, so that they do not keep out others.
        """
        body, is_large = bytearray(), size > MAX_BUFFERED_BYTES
        try:
            refusal = await self._fill(body, protocol, size, is_large=is_large)
            yield refusal or (BodyCutOff() if exact and len(body) < size else bytes(body))
        finally:
            self._held[is_large] -= len(body)

    def _limit(self, method: str, environ: WSGIEnvironment) -> int:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
        return max(MAX_BUFFERED_BYTES, self._max_bytes(method, path))

    async def _fill(self, body: bytearray, protocol: Any, size: int, *, is_large: bool) -> Refusal | None:
        try:
            async with asyncio.timeout(self._within_s):
                async for chunk in protocol:
                    body += chunk
                    self._held[is_large] += len(chunk)
                    if self._held[is_large] > self._max_held[is_large]:
                        return BodyTooSlow()
                    if len(body) >= size:
                        break
        except TimeoutError:
            return BodyTooSlow()
        return None


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

"""What the web server calls: bodies arrive on an event loop, so a thread is taken only by what can be answered."""

from __future__ import annotations

import asyncio
import io
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

from app.api.front.bodies import Bodies
from app.api.front.environ import environ_of
from app.api.front.files import FileOnDisk
from app.api.services import KEY
from app.api.start import serve
from app.errors import BodyCutOff, Refusal

if TYPE_CHECKING:
    import threading
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    Answer = tuple[int, list[tuple[str, str]], bytes | FileOnDisk]

THREADS = 16
ENDINGS = (signal.SIGTERM, signal.SIGINT)


class Front:
    """An RSGI application (granian's own interface) around a WSGI one.

    A WSGI server hands over requests whose body is still on its way, and reading it blocks a thread for as long as the
    sender likes. Here a slow body, a half one, or an answer that nobody reads costs a connection and some memory.
    """

    def __init__(self, application: WSGIApplication, stopping: threading.Event, bodies: Bodies | None = None) -> None:
        self._application = application
        self._stopping = stopping
        self._bodies = bodies or Bodies()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    def __rsgi_init__(self, _loop: object) -> None:
        """Have requests that wait hear of the end. The loop is told by its wake-up pipe, not by these handlers."""
        for number in ENDINGS:
            signal.signal(number, lambda *_: self._stopping.set())

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        environ = environ_of(scope)
        environ["wsgi.input"] = await self._input(environ, protocol)
        environ["wsgi.file_wrapper"] = FileOnDisk
        answer = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, environ)
        status, headers, body = await answer
        if isinstance(body, FileOnDisk):
            protocol.response_file(status, headers, body.path)
        else:
            protocol.response_bytes(status, headers, body)

    async def _input(self, environ: WSGIEnvironment, protocol: Any) -> Any:
        wanted = self._bodies.size(environ)
        if not wanted:
            return io.BytesIO()
        try:
            body = await self._bodies.read(protocol, wanted)
        except Refusal as refused:
            return Refusing(refused)
        is_whole = "CONTENT_LENGTH" not in environ or len(body) >= wanted
        return io.BytesIO(body) if is_whole else Refusing(BodyCutOff())

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _trouble: Any = None) -> Any:
            head[:] = [int(status[:3]), headers]

        parts = self._application(environ, start_response)
        try:
            body = parts if isinstance(parts, FileOnDisk) else b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = head
        return status, headers, body


class Refusing:
    """Stands for a body that did not arrive: whoever reads it hears why, and it is answered as any other refusal."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def read(self, _size: int = -1) -> NoReturn:
        """Raise the refusal."""
        raise self._refusal


def open_front() -> Front:
    """The web process: `granian --interface rsgi --factory app.api.front:open_front`."""
    application = serve()
    return Front(application, application.extensions[KEY].stopping)

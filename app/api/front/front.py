"""What the web server calls: bodies arrive on an event loop, so a thread is taken only by what can be answered."""

from __future__ import annotations

import asyncio
import io
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

from app.api.front.bodies import Bodies
from app.api.front.creation import Creation
from app.api.front.environ import environ_of
from app.api.front.files import FileOnDisk, wrap_file
from app.api.services import KEY
from app.api.start import serve
from app.errors import BodyCutOff

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

    def __init__(
        self, application: WSGIApplication, stopping: threading.Event, *, bodies: Bodies | None = None,
        creation: Creation | None = None,
    ) -> None:  # fmt: skip
        self._application = application
        self._stopping = stopping
        self._bodies = bodies or Bodies()
        self._creation = creation
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    def __rsgi_init__(self, _loop: object) -> None:
        """Have requests that wait hear of the end. The loop is told by its wake-up pipe, not by these handlers."""
        for number in ENDINGS:
            signal.signal(number, lambda *_: self._stopping.set())

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        if self._creation and (size := self._creation.size(scope)):
            async with self._bodies.read(protocol, size) as body:
                await self._create(self._creation, scope, protocol, _whole(body, size))
            return
        environ = environ_of(scope)
        size = self._bodies.size(environ)
        if not size:
            await self._answer_by_thread(environ, protocol, b"")
            return
        told = size if "CONTENT_LENGTH" in environ else 0
        async with self._bodies.read(protocol, size) as body:
            await self._answer_by_thread(environ, protocol, _whole(body, told))

    async def _create(self, creation: Creation, scope: Any, protocol: Any, body: bytes | Exception) -> None:
        answer = await creation.answer(scope, body) if isinstance(body, bytes) else body
        if isinstance(answer, tuple):
            protocol.response_bytes(*answer)
        else:
            await self._answer_by_thread(environ_of(scope), protocol, answer or body)

    async def _answer_by_thread(self, environ: WSGIEnvironment, protocol: Any, body: bytes | Exception) -> None:
        """Through Flask; an exception is raised when the body is read."""
        environ["wsgi.input"] = io.BytesIO(body) if isinstance(body, bytes) else Refusing(body)
        if "HTTP_RANGE" not in environ:  # of a part Werkzeug reads the bytes
            environ["wsgi.file_wrapper"] = wrap_file
        answer = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, environ)
        status, headers, told = await answer
        if isinstance(told, FileOnDisk):
            protocol.response_file(status, headers, told.path)
        else:
            protocol.response_bytes(status, headers, told)

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
    """Stands for a body: whoever reads it hears why not, and it is answered as any other refusal, or crash."""

    def __init__(self, trouble: Exception) -> None:
        self._trouble = trouble

    def read(self, _size: int = -1) -> NoReturn:
        """Raise it."""
        raise self._trouble


def _whole(body: bytes | Exception, size: int) -> bytes | Exception:
    """What arrived, unless it is less than was told."""
    return BodyCutOff() if isinstance(body, bytes) and len(body) < size else body


def open_front() -> Front:
    """The web process: what `app.web_server` loads by `--factory app.api.front:open_front`."""
    application = serve()
    return Front(application, application.extensions[KEY].stopping, creation=Creation(application))

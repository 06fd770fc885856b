"""A minimal web application: it reads JSON, inserts all waiting tasks in one statement, and answers 201.

It has no validation, keys, log or Redis, and runs under the same server and interface (RSGI) as the service.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import psycopg
from uuid_utils.compat import uuid7

from app.web_server import serve

HEADERS = [("content-type", "application/json")]
# As JSON: the values arrive one by one, and building arrays of them takes longer.
INSERT = """
INSERT INTO tasks (id, type, execute_at, payload)
SELECT id, type, execute_at, '{}'
FROM json_to_recordset(%s::json) AS new (id uuid, type text, execute_at timestamptz)
"""


class BareApp:
    """Collects requests that arrive during a statement for the next one, as the service does."""

    def __init__(self) -> None:
        self._connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=2)
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Any, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def __rsgi__(self, _scope: Any, protocol: Any) -> None:
        """Answer one request."""
        task = orjson.loads(await protocol())
        task["id"] = str(uuid7())
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((task, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await kept
        protocol.response_bytes(201, HEADERS, orjson.dumps(task))

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            text = orjson.dumps([task for task, _ in batch]).decode()
            await loop.run_in_executor(self._thread, self._connection.execute, INSERT, [text])
            for _, kept in batch:
                if not kept.done():
                    kept.set_result(None)
        self._writing = None


def open_app() -> BareApp:
    """Create the application; the web server calls this once in each process."""
    return BareApp()


if __name__ == "__main__":
    serve("benchmarks.limits.bare_app:open_app")

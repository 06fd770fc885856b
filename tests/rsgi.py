"""Fakes of granian's RSGI objects: the scope of a request, its headers, and the protocol that records the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import SimpleNamespace
from typing import Any

Answer = tuple[int, list[tuple[str, str]], bytes]
"""The status, the headers and the body of an answer."""


class Headers:
    """Headers as granian passes them: lower case, one entry per value."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = [(name.lower(), value) for name, value in pairs]

    def keys(self) -> list[str]:
        return list(dict(self._pairs))

    def items(self) -> list[tuple[str, str]]:
        return self._pairs

    def get(self, name: str) -> str | None:
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        return [value for given, value in self._pairs if given == name]


class Protocol:
    """A body in pieces, which may never end. Records the answers, and how much of the body was received."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self._pieces = pieces
        self._ends = ends
        self._answers: list[Answer] = []
        self.received = 0
        self.gone = asyncio.Event()  # set by a test whose client leaves

    @property
    def answer(self) -> Answer:
        """The only answer; ValueError if there is none or more than one."""
        (answer,) = self._answers
        return answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.received += len(piece)
            yield piece
        if not self._ends:
            await asyncio.Event().wait()

    async def client_disconnect(self) -> None:
        await self.gone.wait()

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self._answers.append((status, headers, body))

    def response_file(self, status: int, headers: list[tuple[str, str]], path: str) -> None:
        self._answers.append((status, headers, path.encode()))


def scope(
    headers: Iterable[tuple[str, str]], method: str = "POST", path: str = "/tasks", *, query: str = "",
    authority: str | None = None,
) -> Any:  # fmt: skip
    return SimpleNamespace(
        method=method, path=path, query_string=query, scheme="http", server="127.0.0.1:8000", client="[::1]:5555",
        authority=authority, headers=Headers(headers),
    )  # fmt: skip

"""The built-in handlers, called as plain functions."""

from __future__ import annotations

from typing import Any, Self

import pytest
import requests

from workers.handlers.bar import bar


class Answer:
    """The part of a `requests.Response` that `bar` uses."""

    status_code = 503

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_bar_needs_only_its_own_variable(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    urls: list[str] = []

    def get(url: str, **_: Any) -> Answer:
        urls.append(url)
        return Answer()

    monkeypatch.setattr(requests, "get", get)
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BAR_URL", "http://example.test/")
    assert bar() == {"output": "503"}
    assert urls == ["http://example.test/"]
    assert capsys.readouterr().out == "503\n"


def test_no_answer_is_a_failure_that_names_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(url: str, **_: Any) -> Answer:
        raise requests.ConnectionError(url)

    monkeypatch.setattr(requests, "get", get)
    monkeypatch.setenv("BAR_URL", "http://secret.test/")
    with pytest.raises(ConnectionError, match=r"^No answer: ConnectionError$"):
        bar()

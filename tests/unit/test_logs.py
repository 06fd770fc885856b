"""Logs: a failure to write them raises no error."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import structlog

from app.config import read_settings
from app.logs import configure_logs

if TYPE_CHECKING:
    import pytest

NOWHERE = {"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere"}


class Full(io.StringIO):
    """A stream on a full disk whose reader has closed it."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_log_that_cannot_be_written_raises_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Full())
    configure_logs(read_settings(NOWHERE), process="test")
    structlog.get_logger().warning("something")
    structlog.get_logger().error("something_worse", exc_info=ValueError())
    logging.getLogger("library").error("something else")


def test_a_log_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(read_settings(NOWHERE), process="test")
    structlog.get_logger().warning("something", about=1)
    assert '"event": "something"' in capsys.readouterr().err

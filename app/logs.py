"""Logs: structlog, one JSON line per event on stderr, readable lines in a terminal; stdout belongs to the tasks."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, cast

import structlog

if TYPE_CHECKING:
    from app.config import Settings


class TolerantStream:
    """Text stream that swallows write errors: a closed pipe, a full disk."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text; drop it if that fails."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush; ignore errors."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def configure_logs(settings: Settings, **about: str) -> None:
    """Send the events of this project and of the libraries to stderr in one format.

    `about` is added to each line of JSON, from any thread: the process, and the worker if it is one. Who reads lines in
    a terminal sees by whom they are.
    """

    def add_about(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return event if pretty else {**about, **event}

    pretty = is_console(settings)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_about,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if pretty else "iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if pretty:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    level = getattr(logging, settings.log_level.upper())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", TolerantStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(TolerantStream(sys.stderr))
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def is_console(settings: Settings) -> bool:
    """Return whether people read the log: by LOG_FORMAT, otherwise a terminal in development."""
    if settings.log_format == "auto":
        return settings.app_env == "development" and sys.stderr.isatty()
    return settings.log_format == "console"

"""Logs: one JSON line per event on stderr, readable lines in a terminal; stdout belongs to the tasks.

The loggers of this project have their own configuration, independent of the one that users' modules make. Where the
modules of TASK_MODULES configure neither `logging` nor structlog, their lines have the same format, with the running
task.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

from app.running_task import TaskRecords, fields, pop_fields

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor

    from app.config import Settings

OF_RECORDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}  # `taskName`: from Python 3.12 on
QUIET = ("rq", "rq_scheduler", "granian")  # they log each job and each signal at level INFO


class TolerantStream:
    """Text stream that ignores write errors, such as a closed pipe or a full disk.

    If a handler has written an unfinished line to the stream of a child, that line is ended first.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._end_line: Callable[[], None] | None = getattr(stream, "end_line", None)

    def write(self, text: str) -> int:
        """Write the text; drop it if that fails."""
        with suppress(OSError, ValueError, AttributeError):
            if self._end_line:
                self._end_line()
            cast("TextIO", self._stream).write(text)
        return len(text)

    def flush(self) -> None:
        """Flush; ignore errors."""
        with suppress(OSError, ValueError, AttributeError):
            cast("TextIO", self._stream).flush()


class LineLogger:
    """Writes each event with one call, so that lines of threads and processes do not mix."""

    def __init__(self, stream: TolerantStream) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line."""
        self._stream.write(f"{line}\n")
        self._stream.flush()

    debug = info = warning = error = critical = exception = msg


class Level(int):
    """A level that was set here. `logging` keeps the object, so a level that a user sets can be distinguished."""


class RootHandler(logging.StreamHandler[Any]):
    """The handler of the root logger where the user has configured none."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record with one call."""
        try:
            self.stream.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001  # such as arguments that do not fit the format
            self.handleError(record)


class _Configured:
    """The results of `configure_logs`: the logger of this project, and the handler and level of the root logger."""

    logger = cast("FilteringBoundLogger", structlog.wrap_logger(LineLogger(TolerantStream(sys.stderr))))
    processors: list[Processor] | None = None
    handler: RootHandler | None = None


class _ProjectLogger:
    """Looks up its configuration at each event, because modules create their logger before it exists."""

    def __getattr__(self, method: str) -> Any:
        return getattr(_Configured.logger, method)


def get_logger() -> FilteringBoundLogger:
    """Return the logger of this project, which is independent of the configuration of users' modules."""
    return cast("FilteringBoundLogger", _ProjectLogger())


def configure_logs(settings: Settings, **about: str) -> None:
    """Send the events of this project to stderr. Call it before users' modules are imported, and `settle_logs` after.

    `about` (the process, and the id of a worker) is added to each JSON line from any thread. Lines for a terminal do
    not have it, because `make run` prefixes them with the process. LOG_LEVEL is the level of this project, and of the
    root logger unless the user sets another.
    """

    def add_about(_: object, __: str, event: EventDict) -> EventDict:
        return event if pretty else {**about, **event}

    pretty = is_console(settings)
    shared: list[Processor] = [
        _add_task,
        structlog.contextvars.merge_contextvars,
        add_about,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if pretty else "iso", utc=True),
    ]
    renderer: Processor
    if pretty:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    level = getattr(logging, settings.log_level.upper())
    stream = TolerantStream(sys.stderr)
    processors, wrapper = [*shared, renderer], structlog.make_filtering_bound_logger(level)
    _Configured.logger = structlog.wrap_logger(LineLogger(stream), processors, wrapper, dict).bind()
    if not structlog.is_configured() or structlog.get_config()["processors"] is _Configured.processors:
        structlog.configure(processors, wrapper, logger_factory=lambda *_: LineLogger(stream))
        _Configured.processors = processors
    handler = RootHandler(stream)
    chain: list[Processor] = [_add_logger_and_task, _add_extra, *shared]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=chain))
    _configure_logging(handler, level)


def is_console(settings: Settings) -> bool:
    """Return whether the log is written for people: by LOG_FORMAT, or in development to a terminal."""
    if settings.log_format == "auto":
        return settings.app_env == "development" and sys.stderr is not None and sys.stderr.isatty()
    return settings.log_format == "console"


def settle_logs() -> None:
    """Give the root logger a handler, unless a user's module did. Otherwise `logging.info` would add its own.

    A handler that `logging.info` has already added during the import is replaced.
    """
    root = logging.getLogger()
    untouched = isinstance(root.level, Level) and _is_untouched(root)
    if _Configured.handler and (not root.handlers or untouched or _has_earlier(root)):
        root.handlers[:] = [_Configured.handler]


def is_structlog_configured_by_user() -> bool:
    """Return whether structlog has another configuration than that of `configure_logs`."""
    return structlog.get_config()["processors"] is not _Configured.processors


def _configure_logging(handler: RootHandler, level: int) -> None:
    """Prepare `logging`. The root logger gets no handler yet, because `basicConfig` does nothing if there is one."""
    root = logging.getLogger()
    if isinstance(root.level, Level) or _is_untouched(root):
        root.setLevel(Level(level))
    logging.lastResort = handler
    _Configured.handler = handler
    if _has_earlier(root):
        settle_logs()
    for name in QUIET:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(max(level, logging.WARNING))
    make = logging.getLogRecordFactory()
    if not isinstance(make, TaskRecords):
        logging.setLogRecordFactory(TaskRecords(make))


def _add_task(_: object, __: str, event: EventDict) -> EventDict:
    return {**fields(), **event}


def _add_logger_and_task(_: object, __: str, event: EventDict) -> EventDict:
    """Add the name of the logger, and the task of the record, which may come from another context through a queue."""
    return {"logger": event["_record"].name, **pop_fields(event["_record"]), **event}


def _add_extra(_: object, __: str, event: EventDict) -> EventDict:
    """Add the fields of `extra`. None of them replaces the message."""
    extra = {name: value for name, value in event["_record"].__dict__.items() if name not in OF_RECORDS}
    if "event" in extra:
        extra["extra_event"] = extra.pop("event")
    return {**event, **extra}


def _is_untouched(root: logging.Logger) -> bool:
    """Return whether the root logger is as Python makes it, at the start or by the first `logging.warning`."""
    if not (isinstance(root.level, Level) or root.level == logging.WARNING):
        return False
    if not root.handlers:
        return True
    first = root.handlers[0]
    is_stream = len(root.handlers) == 1 and type(first) is logging.StreamHandler
    return is_stream and getattr(first.formatter, "_fmt", None) == logging.BASIC_FORMAT


def _has_earlier(root: logging.Logger) -> bool:
    return any(isinstance(each, RootHandler) for each in root.handlers)

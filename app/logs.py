"""Logs: one JSON line per event on stderr, readable lines in a terminal; stdout belongs to the tasks.

The loggers of this project have a configuration of their own, so that nothing that a user's module configures changes
them, and the other way round. What the modules of TASK_MODULES do not configure of `logging` and structlog logs in the
same format, with the task that is running.
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

OF_RECORDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}  # Python 3.12 has the last one
QUIET = ("rq", "rq_scheduler", "granian")  # they log each job and each signal at level INFO


class TolerantStream:
    """Text stream that swallows write errors: a closed pipe, a full disk.

    It begins a new line, if the stream of a child holds one that a handler has begun.
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
    """A level that was set here. `logging` keeps the object, so a level that a user has set is another one."""


class RootHandler(logging.StreamHandler[Any]):
    """The handler of the root logger where the user has configured none."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record with one call."""
        try:
            self.stream.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001  # such as arguments that do not fit the format
            self.handleError(record)


class _Configured:
    """What `configure_logs` has made: the logger of this project, and the handler and level of the root logger."""

    logger = cast("FilteringBoundLogger", structlog.wrap_logger(LineLogger(TolerantStream(sys.stderr))))
    processors: list[Processor] | None = None
    handler: RootHandler | None = None


class _ProjectLogger:
    """Looks up its configuration at each event, because modules make their logger before there is one."""

    def __getattr__(self, method: str) -> Any:
        return getattr(_Configured.logger, method)


def get_logger() -> FilteringBoundLogger:
    """Return the logger of this project, which nothing that a user's module configures changes."""
    return cast("FilteringBoundLogger", _ProjectLogger())


def configure_logs(settings: Settings, **about: str) -> None:
    """Send the events of this project to stderr. Call it before modules of users are imported, and `settle_logs` after.

    `about` is added to each line of JSON, from any thread: the process, and the worker if it is one. Who reads lines in
    a terminal sees by whom they are. LOG_LEVEL is the level of this project, and of the root logger unless the user
    sets another.
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
    """Return whether people read the log: by LOG_FORMAT, otherwise a terminal in development."""
    if settings.log_format == "auto":
        return settings.app_env == "development" and sys.stderr is not None and sys.stderr.isatty()
    return settings.log_format == "console"


def settle_logs() -> None:
    """Give the root logger a handler, unless a module of the user has: `logging.info` would add one of its own.

    It may have done so during the import already; that one is replaced.
    """
    root = logging.getLogger()
    untouched = isinstance(root.level, Level) and _is_untouched(root)
    if _Configured.handler and (not root.handlers or untouched or _has_earlier(root)):
        root.handlers[:] = [_Configured.handler]


def _configure_logging(handler: RootHandler, level: int) -> None:
    """Prepare `logging`, whose root logger stays without a handler: with one, `basicConfig` would do nothing."""
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
    """Add the name of the logger, and the task as it was when the record was made: a queue may be in between."""
    return {"logger": event["_record"].name, **pop_fields(event["_record"]), **event}


def _add_extra(_: object, __: str, event: EventDict) -> EventDict:
    """Add the fields that the call has passed as `extra`, none of which replaces the message."""
    extra = {name: value for name, value in event["_record"].__dict__.items() if name not in OF_RECORDS}
    if "event" in extra:
        extra["extra_event"] = extra.pop("event")
    return {**event, **extra}


def _is_untouched(root: logging.Logger) -> bool:
    """Return whether the root logger is as Python makes it: at the start, or with the first `logging.warning`."""
    if not (isinstance(root.level, Level) or root.level == logging.WARNING):
        return False
    if not root.handlers:
        return True
    first = root.handlers[0]
    is_stream = len(root.handlers) == 1 and type(first) is logging.StreamHandler
    return is_stream and getattr(first.formatter, "_fmt", None) == logging.BASIC_FORMAT


def _has_earlier(root: logging.Logger) -> bool:
    return any(isinstance(each, RootHandler) for each in root.handlers)

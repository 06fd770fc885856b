"""Users' modules keep their configuration of `logging` and structlog, and their lines name the running task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.conftest import Run

pytestmark = pytest.mark.slow
HANDLER = """
import logging
log = logging.getLogger("shop")

@task
def sell():
    logging.info("root says %s", "hello")
    log.info("sold", extra={"price": 3, "task_id": "mine"})
    log.debug("details")
    return 1
"""


def test_lines_of_a_handler_appear_at_the_level_of_the_setting_with_the_task(run_module: Run) -> None:
    ran = run_module(HANDLER, "sell")
    line = ran.line("root says hello")
    assert line | {"timestamp": ""} == {
        "event": "root says hello", "level": "info", "logger": "root", "process": "slot", "timestamp": "",
        "task_id": "id-of-sell", "type": "sell", "attempt": 2,
    }  # fmt: skip
    assert ran.line("sold")["price"] == 3
    assert ran.line("sold")["task_id"] == "mine", "the user's field takes precedence"
    assert "details" not in ran.err
    assert "details" in run_module(HANDLER, "sell", LOG_LEVEL="debug").err
    assert "sold" not in run_module(HANDLER, "sell", LOG_LEVEL="warning").err


CONFIGURED = {
    "basicConfig": "logging.basicConfig(filename='mine.log', level=logging.DEBUG, format='mine %(message)s')",
    "basicConfig to stderr": (
        "import sys\nlogging.basicConfig(level=logging.DEBUG, format='mine %(message)s', stream=open('mine.log', 'w'))"
    ),
    "FileHandler": (
        "handler = logging.FileHandler('mine.log')\nhandler.setFormatter(logging.Formatter('mine %(message)s'))\n"
        "logging.getLogger().addHandler(handler)\nlogging.getLogger().setLevel('DEBUG')"
    ),
    "dictConfig": (
        "import logging.config\nlogging.config.dictConfig({'version': 1, 'disable_existing_loggers': False,"
        "'formatters': {'f': {'format': 'mine %(message)s'}}, 'handlers': {'h': {'class': 'logging.FileHandler',"
        "'filename': 'mine.log', 'formatter': 'f'}}, 'root': {'handlers': ['h'], 'level': 'DEBUG'}})"
    ),
    "a logger of its own": (
        "handler = logging.FileHandler('mine.log')\nhandler.setFormatter(logging.Formatter('mine %(message)s'))\n"
        "log.addHandler(handler)\nlog.propagate = False\nlog.setLevel('DEBUG')"
    ),
    "a queue": (
        "import logging.handlers, queue, atexit\nhandler = logging.FileHandler('mine.log')\n"
        "handler.setFormatter(logging.Formatter('mine %(message)s'))\nwaiting = queue.SimpleQueue()\n"
        "listener = logging.handlers.QueueListener(waiting, handler)\nlistener.start()\n"
        "atexit.register(listener.stop)\nlogging.getLogger().setLevel('DEBUG')\n"
        "logging.getLogger().addHandler(logging.handlers.QueueHandler(waiting))"
    ),
}


@pytest.mark.parametrize("configured", CONFIGURED.values(), ids=CONFIGURED)
def test_what_a_module_configures_at_import_is_kept(run_module: Run, tmp_path: Path, configured: str) -> None:
    ran = run_module(f"{HANDLER}\n{configured}", "sell")
    written = (tmp_path / "mine.log").read_text().splitlines()
    assert [line for line in written if "sold" in line] == ["mine sold"]
    assert [line for line in written if "details" in line] == ["mine details"]
    assert "sold" not in ran.err
    assert ran.line("ended")["how"] == "1", "our own lines are not affected"


def test_a_format_of_a_user_can_name_the_task(run_module: Run, tmp_path: Path) -> None:
    form = "%(message)s of %(punctual_type)s %(punctual_task_id)s, attempt %(punctual_attempt)s"
    run_module(f"{HANDLER}\nlogging.basicConfig(filename='mine.log', format='{form}')\nlog.info('imported')", "sell")
    written = (tmp_path / "mine.log").read_text().splitlines()
    assert "imported of  , attempt " in written
    assert "sold of sell id-of-sell, attempt 2" in written


def test_a_line_that_was_logged_during_the_import_does_not_change_the_format(run_module: Run) -> None:
    ran = run_module(f"import logging\nlogging.warning('no key is set')\n{HANDLER}", "sell")
    assert "WARNING:root:no key is set" in ran.err
    assert ran.line("sold")["type"] == "sell"


def test_a_level_that_a_module_sets_is_kept(run_module: Run) -> None:
    assert "sold" not in run_module(f"{HANDLER}\nlogging.getLogger().setLevel(logging.WARNING)", "sell").err
    assert "details" in run_module(f"{HANDLER}\nlogging.getLogger().setLevel(logging.DEBUG)", "sell").err
    disabled = run_module(f"{HANDLER}\nlogging.disable(logging.CRITICAL)", "sell")
    assert "sold" not in disabled.err
    assert disabled.line("ended")


def test_a_factory_of_records_and_captured_warnings_of_a_user_are_kept(run_module: Run) -> None:
    ran = run_module(
        """
import logging, warnings
logging.captureWarnings(True)
make = logging.getLogRecordFactory()
def with_host(*args, **kwargs):
    record = make(*args, **kwargs)
    record.host = "here"
    return record
logging.setLogRecordFactory(with_host)

@task
def warn():
    warnings.warn("old")
""",
        "warn",
    )
    (line,) = (each for each in ran.lines if each.get("logger") == "py.warnings")
    assert (line["host"], line["task_id"], line["level"]) == ("here", "id-of-warn", "warning")


STRUCTLOG = """
import structlog
log = structlog.get_logger()

@task
def sell():
    log.info("sold", price=3)
"""


def test_structlog_writes_like_the_service_unless_a_module_configures_it(run_module: Run) -> None:
    line = run_module(STRUCTLOG, "sell").line("sold")
    assert (line["price"], line["task_id"], line["type"], line["attempt"]) == (3, "id-of-sell", "sell", 2)
    configured = (
        "structlog.configure(processors=[structlog.contextvars.merge_contextvars,"
        "structlog.processors.KeyValueRenderer()], logger_factory=structlog.PrintLoggerFactory())"
    )
    ran = run_module(f"{STRUCTLOG}\n{configured}", "sell")
    assert all(field in ran.out for field in ("event='sold'", "task_id='id-of-sell'", "type='sell'", "attempt=2"))
    assert ran.line("ended")["process"] == "slot", "our own lines are not affected"


def test_lines_of_asyncio_name_the_task_and_those_of_threads_do_when_they_get_the_context(run_module: Run) -> None:
    ran = run_module(
        """
import asyncio, contextvars, logging, threading
async def inside(): logging.info("from asyncio")

@task
def sell():
    asyncio.run(inside())
    for target in (logging.info, contextvars.copy_context().run):
        with_context = target is not logging.info
        args = (logging.info, "thread with context") if with_context else ("thread without",)
        thread = threading.Thread(target=target, args=args)
        thread.start()
        thread.join()
""",
        "sell",
    )
    assert ran.line("from asyncio")["task_id"] == "id-of-sell"
    assert ran.line("thread with context")["task_id"] == "id-of-sell"
    assert "thread without" in ran.err


def test_a_task_does_not_see_context_variables_of_the_one_before(run_module: Run) -> None:
    ran = run_module(
        """
import contextvars, logging, structlog
seen = contextvars.ContextVar("seen", default=None)

@task
def first():
    seen.set("first")
    structlog.contextvars.bind_contextvars(customer=7)
    structlog.contextvars.clear_contextvars()
    logging.info("in first")
    structlog.contextvars.bind_contextvars(customer=7)

@task
def second():
    logging.info("second sees %s", seen.get())
""",
        "first",
        "second",
    )
    assert ran.line("in first")["task_id"] == "id-of-first"
    line = ran.line("second sees None")
    assert line["task_id"] == "id-of-second"
    assert "customer" not in line


def test_a_failure_is_logged_with_the_frames_of_the_handler_and_a_bounded_length(run_module: Run) -> None:
    ran = run_module(
        """
def deep(n): return deep(n - 1) if n else 1 / 0

@task
def fail(): deep(1)

@task
def long(): raise ValueError("x" * 1_000_000)

@task
def unprintable():
    class Unprintable(Exception):
        def __str__(self): raise SystemExit
    raise Unprintable

@task
def closed():
    import os, sys
    sys.stderr.close()
    os.close(2)
    raise KeyError("after all")
""",
        "fail",
        "long",
        "unprintable",
        "closed",
    )
    logged = {line["type"]: line for line in ran.lines if line["event"] == "task_failed"}
    stack = logged["fail"]["exception"]
    assert stack.count("users_tasks.py") == 3
    assert "child.py" not in stack
    assert stack.endswith("ZeroDivisionError: division by zero")
    assert len(logged["long"]["exception"]) < 20_000
    assert "Unprintable" in logged["unprintable"]["exception"]
    assert "closed" not in logged, "it had closed stderr, and ended as any other"

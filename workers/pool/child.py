"""The code of a slot: runs the tasks of a chunk one at a time, and reports how each ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from app import running_task
from app.config import read_settings
from app.logs import configure_logs, get_logger, is_structlog_configured_by_user
from app.signals import die_with_parent
from app.task_types import TaskTypes, load_task_types
from punctual import Context, handler as handlers, lifespans
from workers.pool import output
from workers.pool.clean import Clean
from workers.pool.descriptors import EventPipe, private
from workers.pool.protocol import Done, Ended, Failure, Ready, decode_chunk, encode_events, take_token
from workers.pool.recycling import Recycling
from workers.pool.result import encode as encode_result, storable

if TYPE_CHECKING:
    from contextvars import Context as ContextVariables

    from app.task import Claim
    from workers.pool.protocol import Progress, RunLease

log = get_logger()

MAX_STACK = 16_000
OUR_FILES = {__file__, handlers.__file__}

# Taken before any handler runs, because a handler may replace those of the modules.
_perf_counter, _getpid, _exit = time.perf_counter, os.getpid, os._exit

CLOSE_LIMIT_S = 5.0  # for closing the lifespans
READY = encode_events([Ready()])
DONE = encode_events([Done()])
TOO_LATE = Failure("worker_lost", "The worker sent no heartbeat for too long; the code has not begun.")


def child_process(
    tasks: Connection, tokens: Connection, events: Connection, lease: RunLease, progress: Progress
) -> None:
    """Run chunks in a child process until it must be replaced, the pool closes the pipe or the worker dies."""
    os.setsid()  # a process group, so that a kill includes processes that the handler started
    die_with_parent()
    if sys.platform == "linux" and os.getppid() == 1:  # the fork server, which is never process 1, has died already
        os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the worker decides when the children stop
    lease.exit_when_expired()
    signal.signal(signal.SIGCONT, lambda *_: lease.exit_if_expired())
    _reset_signals_in_forks()
    multiprocessing.set_start_method(None, force=True)  # a handler may choose it, as in any main program
    settings = read_settings(connects=False)
    output.write_whole_lines()
    configure_logs(settings, process="slot")
    types = load_task_types(settings)
    with lifespans.entered():
        recycling = Recycling(settings.max_tasks_per_child, settings.max_memory_mb)
        clean = Clean(recycling, keep_open=[each.fileno() for each in (tasks, tokens, events)])
        running_task.bind_for_structlog(is_used=is_structlog_configured_by_user())
        os.write(events.fileno(), READY)
        left_s = serve(tasks, tokens, events, lease, progress, types, clean)
        if left_s is not None:
            _kill_in(left_s + CLOSE_LIMIT_S)
        os.killpg(os.getpid(), signal.SIGTERM)  # ends processes that handlers left; this one ignores the signal
        if left_s is not None:
            clean.wait_for_threads(left_s)
    if left_s is not None:
        os.killpg(os.getpid(), signal.SIGKILL)  # what ignores SIGTERM, and threads that take too long


def serve(  # noqa: PLR0917  # called with positional arguments, as the target of a thread
    tasks: Connection,
    tokens: Connection,
    events: Connection,
    lease: RunLease,
    progress: Progress,
    types: TaskTypes,
    clean: Clean | None = None,
) -> float | None:
    """Run chunk after chunk until the pool closes the pipe.

    If the process must be replaced, return how many seconds the last task had left. Threads that it left running have
    this time to end.
    """
    pipes = (tokens.fileno(), events.fileno())
    if clean is not None:  # in a child process, whose handlers may close the pipes
        pipes = (private(pipes[0]), private(pipes[1]))
    chunks = Chunks(pipes[0], EventPipe(pipes[1]), lease, progress, types, clean)
    while True:
        try:
            chunk = decode_chunk(tasks.recv_bytes())
        except (EOFError, OSError):
            return None
        if (left_s := chunks.run(chunk)) is not None:
            return left_s


class Chunks:
    """Runs one chunk after another, until `clean` finds that this process must be replaced."""

    def __init__(  # noqa: PLR0917
        self,
        tokens: int,
        events: EventPipe,
        lease: RunLease,
        progress: Progress,
        types: TaskTypes,
        clean: Clean | None,
    ) -> None:
        self._tokens = tokens
        self._events = events
        self._lease = lease
        self._progress = progress
        self._types = types
        self._clean = clean
        self._pid = _getpid()

    def run(self, chunk: list[Claim]) -> float | None:
        """Run the tasks whose tokens are in the pipe, while the lease covers them.

        The pool withdraws a task by reading its token. The kernel gives each token to one reader, so a task either
        begins here or is withdrawn, never both. All claims of a chunk come from one statement, so the lease covers all
        or none. If this process must be replaced, return how many seconds the last task had left.
        """
        clean, lease, progress, events, types = self._clean, self._lease, self._progress, self._events, self._types
        last = len(chunk) - 1
        while lease.covers(chunk[0]) and (position := take_token(self._tokens)) is not None:
            claim = chunk[position]
            progress.begin(position)
            began = _perf_counter()
            variables = copy_context() if clean is None else clean.new_context()
            result = run(claim, types, may_begin=partial(lease.covers, claim), variables=variables)
            took_ms = (_perf_counter() - began) * 1000
            if _getpid() != self._pid:  # the handler forked, and this is its child, which must not write events
                _exit(0)
            reason = None if clean is None else clean.after_task(claim.type, took_ms, position == last)
            ended = Ended(position, took_ms, result)
            if reason is not None:
                events.write(encode_events([ended, Done(reason)]))
                return max(0.0, claim.timeout_s - took_ms / 1000)
            if position == last:
                events.write(encode_events([ended]) + DONE)
                return None
            events.write(encode_events([ended]))
        events.write(DONE)
        return None


def run(
    claim: Claim, types: TaskTypes, *, may_begin: Callable[[], bool], variables: ContextVariables | None = None
) -> str | Failure:
    """Call the handler; return its result as JSON text or why it failed. All exceptions are caught, SystemExit too.

    `may_begin` is called immediately before the handler, because this process may have been frozen since the run lease
    was checked last. `variables` are the context variables with which the task begins. Those that it sets end with it.
    """
    try:
        return (copy_context() if variables is None else variables).run(_call, claim, types, may_begin)
    except BaseException as error:  # noqa: BLE001
        failure = Failure("handler_error", message(error))
        with suppress(BaseException):
            log.warning(
                "task_failed", task_id=claim.id, type=claim.type, attempt=claim.attempt, exception=stack_of(error)
            )
        return failure
    finally:
        output.end_line()


def _call(claim: Claim, types: TaskTypes, may_begin: Callable[[], bool]) -> str | Failure:
    context = Context(claim.id, claim.type, claim.attempt, claim.max_attempts, claim.timeout_s, claim.execute_at)
    running_task.enter(context)
    handler = types[claim.type].handler
    if handler is None:
        return Failure("handler_error", f"Type {claim.type} has no handler here.")
    payload = handler.decode(claim.payload)
    if not may_begin():
        return TOO_LATE
    result = encode_result(handler.call(payload, context))
    if isinstance(result, Failure):
        log.warning("result_refused", task_id=claim.id, type=claim.type, attempt=claim.attempt, trouble=result.message)
    return result


def message(error: BaseException) -> str:
    """Return an exception as text that Postgres can store."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  # __str__ may raise anything
        text = type(error).__name__
    return storable(text)


def stack_of(error: BaseException) -> str:
    """Return the traceback of a handler's exception, without our own frames, at most MAX_STACK characters."""
    try:
        frames = error.__traceback__
        while frames and frames.tb_frame.f_code.co_filename in OUR_FILES:
            frames = frames.tb_next
        text = "".join(traceback.format_exception(type(error), error, frames)).strip()
    except BaseException:  # noqa: BLE001  # __repr__ may raise anything
        text = message(error)
    return text if len(text) <= MAX_STACK else f"{text[: MAX_STACK // 4]}\n…\n{text[-MAX_STACK * 3 // 4 :]}"


def _reset_signals_in_forks() -> None:
    """Restore the default signal handlers in processes that handlers fork, as `multiprocessing` expects."""
    masks = threading.local()

    def before() -> None:  # the signal handlers of this process must not run in the fork
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])

    def in_parent() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def in_child() -> None:
        for number in (signal.SIGTERM, signal.SIGCONT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        in_parent()

    os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def _kill_in(seconds: float) -> None:
    """Start a thread that kills the process group of this process after this time."""

    def kill() -> None:
        time.sleep(seconds)
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=kill, name="end", daemon=True).start()

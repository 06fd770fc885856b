"""The code of a slot: runs the tasks of a chunk one at a time, and reports how each ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
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
from app.logs import configure_logs, get_logger
from app.task_types import TaskTypes, load_task_types
from punctual import Context, handler as handlers
from workers.pool import output
from workers.pool.protocol import Done, Ended, Failure, decode_chunk, encode_events, take_token
from workers.pool.result import encode as encode_result, storable

if TYPE_CHECKING:
    from app.task import Claim
    from workers.pool.protocol import Progress, RunLease

log = get_logger()

PR_SET_PDEATHSIG = 1
MAX_STACK = 16_000
OUR_FILES = {__file__, handlers.__file__}

DONE = encode_events([Done()])
TOO_LATE = Failure("worker_lost", "The worker was silent for too long; the code has not begun.")


def child_process(
    tasks: Connection, tokens: Connection, events: Connection, lease: RunLease, progress: Progress
) -> None:
    """Run chunks in a child process until the pool closes the pipe, the worker dies or the lease expires."""
    os.setsid()  # a process group, so that a kill includes processes that the handler started
    _die_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the worker decides when the children stop
    lease.exit_when_expired()
    signal.signal(signal.SIGCONT, lambda *_: lease.exit_if_expired())
    settings = read_settings(connects=False)
    output.write_whole_lines()
    configure_logs(settings, process="slot")
    serve(tasks, tokens, events, lease, progress, load_task_types(settings))
    os.killpg(os.getpid(), signal.SIGTERM)  # ends processes that handlers left; this one ignores the signal


def serve(  # noqa: PLR0917  # called with positional arguments, as the target of a thread
    tasks: Connection, tokens: Connection, events: Connection, lease: RunLease, progress: Progress, types: TaskTypes
) -> None:
    """Run chunk after chunk until the pool closes the pipe."""
    while True:
        try:
            chunk = decode_chunk(tasks.recv_bytes())
        except (EOFError, OSError):
            return
        _run_chunk(chunk, tokens.fileno(), events.fileno(), lease=lease, progress=progress, types=types)


def _run_chunk(
    chunk: list[Claim], tokens: int, events: int, *, lease: RunLease, progress: Progress, types: TaskTypes
) -> None:
    """Run the tasks whose tokens are in the pipe, while the lease covers them.

    The pool withdraws a task by reading its token. The kernel gives each token to one reader, so a task either begins
    here or is withdrawn, never both. All claims of a chunk come from one statement, so the lease covers all or none.
    """
    pid, last = os.getpid(), len(chunk) - 1
    while lease.covers(chunk[0]) and (position := take_token(tokens)) is not None:
        claim = chunk[position]
        progress.begin(position)
        began = time.perf_counter()
        result = run(claim, types, may_begin=partial(lease.covers, claim))
        took_ms = (time.perf_counter() - began) * 1000
        if os.getpid() != pid:  # the handler forked, and this is its child, which must not write events
            os._exit(0)
        ended = encode_events([Ended(position, took_ms, result)])
        if position == last:
            _write(events, ended + DONE)
            return
        _write(events, ended)
    _write(events, DONE)


def run(claim: Claim, types: TaskTypes, *, may_begin: Callable[[], bool]) -> str | Failure:
    """Call the handler; return its result as JSON text or why it failed. All exceptions are caught, SystemExit too.

    `may_begin` is called immediately before the handler, because this process may have been frozen since the run lease
    was checked last. Context variables that the handler sets end with the task.
    """
    try:
        return copy_context().run(_call, claim, types, may_begin)
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


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux). Elsewhere it ends when the pipe closes."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)

"""The code of a slot: runs the tasks of a chunk one at a time, and reports how each ended."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import structlog

from app.config import read_settings
from app.logs import configure_logs
from app.task import MAX_RESULT_BYTES
from app.task_types import TaskTypes, load_task_types
from punctual import Context
from workers.pool.protocol import Done, Ended, Failure, decode_chunk, encode_events, take_token

if TYPE_CHECKING:
    from app.task import Claim
    from workers.pool.protocol import Progress, RunLease

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1
MAX_MESSAGE = 2000
LONG_NUMBER = re.compile(rb"\d{19}")
BAD_IN_JSONB = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}"})

DONE = encode_events([Done()])
NOTHING = "null"
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
    was checked last.
    """
    context = Context(claim.id, claim.type, claim.attempt, claim.max_attempts, claim.timeout_s, claim.execute_at)
    try:
        handler = types[claim.type].handler
        if handler is None:
            return Failure("handler_error", f"Type {claim.type} has no handler here.")
        payload = handler.decode(claim.payload)
        return _encode(handler.call(payload, context)) if may_begin() else TOO_LATE
    except BaseException as error:
        log.warning("task_failed", task_id=claim.id, type=claim.type, attempt=claim.attempt, exc_info=True)
        return Failure("handler_error", message(error))
    finally:
        try:  # noqa: SIM105  # `suppress` takes longer, at every task
            sys.stdout.flush()
        except (OSError, ValueError):  # a handler has closed it
            pass


def message(error: BaseException) -> str:
    """Return an exception as text that Postgres can store."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  # __str__ may raise anything
        text = type(error).__name__
    return text[:MAX_MESSAGE].encode("utf-8", "replace").decode().translate(BAD_IN_JSONB)


def _encode(result: Any) -> str | Failure:
    """Return a result as JSON text from which all JSON readers get what the handler returned.

    Raises:
        ValueError: the result is nested too deeply, or holds a number that readers would round or refuse.
    """
    if result is None:
        return NOTHING
    text = msgspec.json.encode(result)
    if len(text) > MAX_RESULT_BYTES:
        return Failure("result_too_large", f"The result is {len(text)} bytes; at most {MAX_RESULT_BYTES}.")
    orjson.loads(text)
    if LONG_NUMBER.search(text):
        json.loads(text, parse_int=_whole_number)
    return text.decode()


def _whole_number(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise ValueError("the result holds an integer beyond 64 bit; return it as text")
    return number


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux). Elsewhere it ends when the pipe closes."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)

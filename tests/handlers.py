"""Task types for tests, some of which misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from punctual import Context, task
from tests.sight import write_sight


class Nap(Struct, forbid_unknown_fields=True):
    """The payload of naps."""

    seconds: float


class Witness(Struct, forbid_unknown_fields=True):
    """The file to append to, how long to sleep, a file to wait for, and whether to kill the process at the end."""

    file: str
    seconds: float = 0.0
    until: str = ""
    die: bool = False


@task
def noop(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload."""
    return payload


@task(max_attempts=3)
def whoami(context: Context) -> dict[str, Any]:
    """Return the process, the task and the attempt."""
    return {"pid": os.getpid(), "id": context.id, "attempt": context.attempt}


@task(timeout_s=60)
def nap(payload: Nap) -> str:
    """Sleep."""
    time.sleep(payload.seconds)
    return "rested"


@task("thread-nap", isolation="thread")
def thread_nap(payload: Nap) -> str:
    """Sleep in a thread and return its name."""
    time.sleep(payload.seconds)
    return threading.current_thread().name


@task
def fail() -> None:
    """Raise."""
    raise ValueError("as \0 asked \ud800")


@task("fail-twice", max_attempts=3)
def fail_twice(context: Context) -> str:
    """Raise in the first two attempts."""
    if context.attempt < 3:
        raise RuntimeError(f"attempt {context.attempt}")
    return "at last"


@task("quit")
def quit_python() -> None:
    """Raise SystemExit."""
    sys.exit(3)


@task
def die() -> None:
    """Kill the process."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(timeout_s=1)
def stubborn() -> None:
    """Swallow every exception in an endless loop."""
    while True:
        try:
            time.sleep(0.1)
        except BaseException:  # noqa: BLE001
            continue


@task(timeout_s=1)
def spin() -> int:
    """Loop in C without releasing the interpreter."""
    return sum(range(10**13))


@task(timeout_s=1)
def oversleep() -> None:
    """Sleep past the timeout."""
    time.sleep(600)


@task(timeout_s=1)
def parent(payload: dict[str, Any]) -> None:
    """Start a process that does not end by itself, write its pid, and sleep past the timeout."""
    child = subprocess.Popen(["sleep", "600"])
    Path(payload["file"]).write_text(str(child.pid))
    time.sleep(600)


@task
def large() -> str:
    """Return a result beyond the limit."""
    return "x" * 300_000


@task
def nul() -> str:
    """Return a text that JSON allows, but that Postgres cannot store."""
    return "a\0b"


@task
def unprintable() -> object:
    """Return a value that JSON cannot express."""
    return object()


@task
def witness(payload: Witness, context: Context) -> int:
    """Append a line at the beginning, and one after the sleep if there is one, as evidence outside the system."""
    write_sight(payload.file, "began", context.id, context.attempt)
    while payload.until and not Path(payload.until).exists():
        time.sleep(0.02)
    if payload.seconds or payload.until:
        time.sleep(payload.seconds)
        write_sight(payload.file, "ended", context.id, context.attempt)
    if payload.die:
        os.kill(os.getpid(), signal.SIGKILL)
    return context.attempt


@task("return-twice")
def return_twice(context: Context) -> str:
    """Fork, and return in both processes."""
    os.fork()
    return context.id


@task("leave-behind")
def leave_behind(context: Context) -> str:
    """Succeed and leave a process and a thread running."""
    subprocess.Popen(["sleep", "600"])
    threading.Thread(target=time.sleep, args=(600,)).start()
    return context.id


@task("close-files")
def close_files() -> None:
    """Close descriptors that the handler did not open."""
    os.closerange(3, 256)


@task
def halt(payload: dict[str, Any]) -> None:
    """With a payload, stop this process when it takes the next task."""
    if not payload:
        return
    child: Any = sys.modules["workers.pool.child"]
    take_token = child.take_token

    def halting(*arguments: Any) -> Any:
        child.take_token = take_token
        os.kill(os.getpid(), signal.SIGSTOP)
        return take_token(*arguments)

    child.take_token = halting


@task("thread-noop", isolation="thread")
def thread_noop() -> None:
    """Do nothing in a thread."""

"""Task types that change the state of their process, return it, or use processes and threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import csv
import decimal
import faulthandler
import gc
import json
import locale
import logging
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from msgspec import Struct

from punctual import lifespan, task

MEMORY: list[bytes] = []
NUMBERS = random.Random()
OPENED = {"lifespan": False}
VARIABLE = ContextVar("VARIABLE", default="")
MASK = {signal.SIGUSR1}


class What(Struct):
    """The name of a change or of a use, and a file for those that need one."""

    name: str
    file: str = ""


@lifespan
def opened() -> Iterator[None]:
    """Record that the lifespan has begun. At its end, append to a file if one is set."""
    OPENED["lifespan"] = True
    yield
    if "UNCLEAN_FILE" in os.environ:
        with Path(os.environ["UNCLEAN_FILE"]).open("a", encoding="utf-8") as file:
            file.write(f"closed {os.getpid()}\n")


def remove_folder() -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path(folder).rmdir()


def put_variable() -> None:
    os.putenv("UNCLEAN", "1")
    os.unsetenv("PATH")


def change_time_zone() -> None:
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()


def disable_gc() -> None:
    gc.disable()
    gc.set_threshold(1, 1, 1)


def fork() -> None:
    if os.fork() == 0:
        time.sleep(600)


def become_nobody() -> None:
    if os.geteuid() == 0:
        os.seteuid(65_534)


def change_root() -> None:
    if os.geteuid() == 0:
        os.chroot(tempfile.mkdtemp())


def close_output_object(name: str) -> None:
    getattr(sys, name).close()


def detach_output() -> None:
    sys.stdout.detach()  # type: ignore[union-attr]


def clear_root() -> None:
    logging.getLogger().handlers.clear()


def close_all() -> None:
    os.closerange(3, 65_536)


def close_output() -> None:
    os.close(1)
    os.open(os.devnull, os.O_RDONLY)


def replace_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def leave_exception() -> None:
    def raise_late(*_: object) -> None:
        raise TimeoutError("too late")

    signal.signal(signal.SIGALRM, raise_late)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)


def patch(module: Any, *names: str) -> Callable[[], None]:
    def act() -> None:
        for name in names:
            setattr(module, name, lambda *_, **__: 1 / 0)

    return act


def leave_loop() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.close()


def limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used, resource.getrlimit(resource.RLIMIT_AS)[1]))


def hard_limit() -> None:
    resource.setrlimit(resource.RLIMIT_NPROC, (5000, 5000))


def configure_logging() -> None:
    logging.basicConfig(level=logging.DEBUG, force=True)
    logging.getLogger("punctual.tests").setLevel(logging.ERROR)
    logging.getLogger("punctual.tests").addHandler(logging.StreamHandler(StringIO()))
    logging.getLogger("new").addHandler(logging.StreamHandler(StringIO()))
    logging.disable(logging.ERROR)


CHANGES: dict[str, Callable[[], object]] = {
    "folder": lambda: os.chdir(tempfile.mkdtemp()),
    "removed folder": remove_folder,
    "variable": lambda: os.environ.update(UNCLEAN="1", HOME="/nowhere"),
    "removed variable": lambda: os.environ.pop("PATH"),
    "variable behind os.environ": put_variable,
    "replaced environment": lambda: setattr(os, "environ", {"UNCLEAN": "1"}),
    "cleared environment": os.environ.clear,
    "time zone": change_time_zone,
    "umask": lambda: os.umask(0o777),
    "signal handler": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "SIGCONT": lambda: signal.signal(signal.SIGCONT, signal.SIG_IGN),
    "real-time signal": lambda: signal.signal(signal.SIGRTMIN + 3, signal.SIG_IGN),
    "signal mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, MASK),
    "alarm": lambda: signal.alarm(1),
    "timer": lambda: signal.setitimer(signal.ITIMER_REAL, 0.3),
    "profiling timer": lambda: signal.setitimer(signal.ITIMER_PROF, 0.05),
    "virtual timer": lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 0.05),
    "timer that raises": leave_exception,
    "fault handler": lambda: faulthandler.dump_traceback_later(0.5, exit=True),
    "enabled fault handler": lambda: faulthandler.enable(1),
    "output": lambda: setattr(sys, "stdout", StringIO()),
    "errors": lambda: setattr(sys, "stderr", None),
    "deleted output": lambda: delattr(sys, "stdout"),
    "closed output": partial(close_output_object, "stdout"),
    "closed errors": partial(close_output_object, "stderr"),
    "detached output": detach_output,
    "closed descriptor 1": close_output,
    "replaced descriptor 1": replace_output,
    "closed descriptor 0": lambda: os.close(0),
    "closed descriptors": lambda: os.closerange(3, 256),
    "all closed": close_all,
    "socket timeout": lambda: socket.setdefaulttimeout(0.001),
    "decimal precision": lambda: setattr(decimal.getcontext(), "prec", 3),
    "default decimal precision": lambda: setattr(decimal.DefaultContext, "prec", 3),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "POSIX"),
    "soft limit": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.getrlimit(resource.RLIMIT_FSIZE)[1])),
    "memory limit": limit_memory,
    "hard limit": hard_limit,
    "priority": lambda: os.nice(3),
    "processors": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    "logging": configure_logging,
    "disabled logging": logging.disable,
    "root handlers": clear_root,
    "warnings": lambda: warnings.simplefilter("error"),
    "path": lambda: sys.path.insert(0, "/nowhere"),
    "replaced path": lambda: setattr(sys, "path", []),
    "arguments": lambda: setattr(sys, "argv", ["a", "b"]),
    "recursion limit": lambda: sys.setrecursionlimit(60),
    "hook": lambda: setattr(sys, "excepthook", print),
    "thread hook": lambda: setattr(threading, "excepthook", print),
    "trace": lambda: sys.settrace(lambda *_: None),
    "profile": lambda: sys.setprofile(lambda *_: None),
    "trace of threads": lambda: threading.settrace(lambda *_: None),
    "garbage collection": disable_gc,
    "event loop": leave_loop,
    "used event loop": lambda: asyncio.run(asyncio.sleep(0)),
    "seed": lambda: random.seed(1),
    "field size": lambda: csv.field_size_limit(3),
    "temporary folder": lambda: setattr(tempfile, "tempdir", "/nowhere"),
    "opener": lambda: urllib.request.install_opener(urllib.request.build_opener()),
    "context variable": lambda: VARIABLE.set("left"),
    "switch interval": lambda: sys.setswitchinterval(1),
    "digits": lambda: sys.set_int_max_str_digits(1000),
    "wakeup descriptor": lambda: signal.set_wakeup_fd(os.open(os.devnull, os.O_WRONLY | os.O_NONBLOCK)),
    "start method": lambda: multiprocessing.set_start_method("spawn"),
    "patched os": patch(os, "write", "read", "getpid", "umask", "fchdir", "dup2"),
    "patched time": patch(time, "perf_counter", "monotonic", "sleep", "time", "clock_gettime"),
    "patched builtins": lambda: setattr(sys.modules["builtins"], "print", None),
    "added builtin": lambda: setattr(sys.modules["builtins"], "unclean", 1),
    "patched json": patch(json, "loads", "dumps"),
    "thread": lambda: threading.Thread(target=time.sleep, args=(600,)).start(),
    "timer thread": lambda: threading.Timer(0.5, lambda: os._exit(3)).start(),
    "busy thread pool": lambda: concurrent.futures.ThreadPoolExecutor(1).submit(time.sleep, 600) and None,
    "process": lambda: subprocess.Popen(["sleep", "600"]) and None,
    "forked process": fork,
    "worker process": lambda: multiprocessing.Process(target=time.sleep, args=(600,)).start(),
    "user": become_nobody,
    "root folder": change_root,
}


@task(timeout_s=30)
def change(payload: What) -> str:
    """Change the state of this process; return the name of the change."""
    CHANGES[payload.name]()
    return payload.name


@task(timeout_s=30)
def state() -> dict[str, Any]:
    """Return the state of this process."""
    sys.stdout.write("")
    os.fstat(0)
    return {
        "folder": str(Path.cwd()),
        "variables": {name: hash(value) for name, value in os.environ.items()},
        "variables of processes": len(subprocess.run(["env"], capture_output=True, check=True).stdout),
        "time zone": list(time.tzname),
        "umask": _umask(),
        "signals": [str(signal.getsignal(each) in {signal.SIG_DFL, signal.SIG_IGN}) for each in range(1, 65)],
        "mask": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "timers": [signal.getitimer(each)[0] for each in range(3)],
        "fault handler": faulthandler.is_enabled(),
        "streams": [type(each).__name__ for each in (sys.stdin, sys.stdout, sys.stderr)],
        "output": str(Path("/proc/self/fd/1").readlink()),
        "input": str(Path("/proc/self/fd/0").readlink()),
        "socket timeout": socket.getdefaulttimeout(),
        "decimal": repr(decimal.getcontext().copy()),
        "locale": locale.setlocale(locale.LC_ALL),
        "limits": [resource.getrlimit(each) for each in range(16)],
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": len(os.sched_getaffinity(0)),
        "logging": _logging(),
        "warnings": len(warnings.filters),
        "path": sys.path,
        "arguments": sys.argv,
        "recursion": sys.getrecursionlimit(),
        "hooks": [each.__module__ for each in (sys.excepthook, threading.excepthook)],
        "traces": [each is None for each in (sys.getprofile(), threading.gettrace())],
        "gc": [gc.isenabled(), *gc.get_threshold()],
        "loop": _loop(),
        "others": [
            csv.field_size_limit(),
            tempfile.gettempdir(),
            sys.getswitchinterval(),
            sys.get_int_max_str_digits(),
        ],
        "context variable": VARIABLE.get(),
        "wakeup": signal.set_wakeup_fd(-1),
        "start method": multiprocessing.get_start_method(allow_none=True),
        "builtins": "unclean" in dir(sys.modules["builtins"]),
        "threads": [each.name for each in threading.enumerate() if not each.daemon],
        "user": list(os.getresuid()),
        "lifespan": OPENED["lifespan"],
    }


@task(timeout_s=30)
def number(payload: What) -> list[float]:
    """Return numbers of both random generators, after seeding the global one if requested."""
    if payload.name == "seed":
        random.seed(1)
    return [random.random(), NUMBERS.random()]


@task("grow", timeout_s=30)
def grow() -> int:
    """Allocate 6 MB and never free them; return the process id."""
    MEMORY.append(os.urandom(6_000_000))
    return os.getpid()


@task(timeout_s=30)
def use(payload: What) -> Any:
    """Use processes and threads, as in any program."""
    return USES[payload.name]()


@task("pid", timeout_s=30)
def pid() -> int:
    """Return the process id."""
    return os.getpid()


def double(number: int) -> int:
    return 2 * number


def _pool_of_processes() -> Any:
    with multiprocessing.Pool(2) as pool:
        return pool.map(double, [1, 2])


def _process() -> Any:
    process = multiprocessing.Process(target=time.sleep, args=(600,))
    process.start()
    process.terminate()
    process.join(10)
    return process.exitcode


def _executor(kind: Callable[[int], concurrent.futures.Executor]) -> Callable[[], Any]:
    def act() -> Any:
        with kind(2) as executor:
            return list(executor.map(double, [1, 2]))

    return act


def _context(method: str) -> Callable[[], Any]:
    def act() -> Any:
        with multiprocessing.get_context(method).Pool(1) as pool:
            return pool.map(double, [1, 2])

    return act


def _keep_threads() -> Any:
    kept = concurrent.futures.ThreadPoolExecutor(2)
    MEMORY.append(kept)  # type: ignore[arg-type]
    return list(kept.map(double, [1, 2]))


def _keep_daemon() -> Any:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return [2, 4]


async def _double_all() -> list[int]:
    return list(await asyncio.gather(*(asyncio.to_thread(double, each) for each in (1, 2))))


USES: dict[str, Callable[[], Any]] = {
    "pool": _pool_of_processes,
    "terminated process": _process,
    "process executor": _executor(concurrent.futures.ProcessPoolExecutor),
    "thread executor": _executor(concurrent.futures.ThreadPoolExecutor),
    "spawn": _context("spawn"),
    "forkserver": _context("forkserver"),
    "subprocess": lambda: subprocess.run(["echo", "2"], capture_output=True, check=True, text=True).stdout,
    "asyncio": lambda: asyncio.run(_double_all()),
    "kept threads": _keep_threads,
    "kept daemon": _keep_daemon,
}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _loop() -> str:
    try:
        loop = asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError as error:
        return str(error)
    closed = loop.is_closed()
    loop.close()
    return f"closed {closed}"


def _logging() -> list[Any]:
    named = [logging.getLogger(each) for each in ("punctual.tests", "new")]
    root = logging.getLogger()
    return [
        root.level,
        len(root.handlers),
        *(each.level for each in named),
        *(len(each.handlers) for each in named),
        root.isEnabledFor(logging.CRITICAL),
    ]


logging.getLogger("punctual.tests").setLevel(logging.WARNING)

"""The pieces of a process' state that a handler may change, with functions that read and restore each.

Python has no list of them. These are the ones that public bug reports of worker pools name, and related ones.
"""

from __future__ import annotations

import builtins
import faulthandler
import gc
import locale
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import Any

# The functions of `signal` convert each number into an enum, which takes 20 times longer.
_signal: Any = import_module("_signal")

TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
SIGNALS = tuple(sorted(signal.valid_signals()))
HOOKS = ("excepthook", "unraisablehook", "displayhook", "breakpointhook")
# Some of the functions that handlers replace. Reading more would copy many pages that the children share.
PATCHED = {
    "builtins": ("__import__", "input", "open", "print"),
    "json": ("dumps", "loads"),
    "os": ("getcwd", "getenv", "getpid", "open", "read", "system", "umask", "urandom", "write"),
    "time": ("monotonic", "perf_counter", "sleep", "time"),
}


class CannotRestore(Exception):
    """A task has changed state that cannot be restored. The message names it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of state: its name, and functions that read it and restore a value that was read before."""

    name: str
    read: Callable[[], Any]
    set_back: Callable[[Any], object]


def quick_pieces() -> Iterator[Piece]:
    """Yield the pieces that are read after each task, without system calls."""
    yield attributes(sys, ("stdin", "stdout", "stderr", "path", "argv", *HOOKS))
    yield attributes(warnings, ("filters", "showwarning", "formatwarning"))
    yield attributes(threading, ("excepthook", "_trace_hook", "_profile_hook"))
    root: Any = logging.getLogger()
    yield attributes(root, ("level", "handlers", "filters", "disabled"))
    yield attributes(root.manager, ("_disable", "_loggerClass"))
    yield Piece("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit)
    yield Piece("trace function", sys.gettrace, sys.settrace)
    yield Piece("profile function", sys.getprofile, sys.setprofile)
    yield Piece("socket timeout", socket.getdefaulttimeout, socket.setdefaulttimeout)
    yield Piece("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable())


def thorough_pieces() -> Iterator[Piece]:
    """Yield the pieces that take system calls or long comparisons to read."""
    yield Piece("signal handlers", _signal_handlers, _set_signal_handlers)
    yield Piece("signal mask", partial(_signal.pthread_sigmask, signal.SIG_BLOCK, ()), _set_signal_mask)
    yield Piece("wakeup descriptor", partial(signal.set_wakeup_fd, -1), lambda _: None)  # read by removing it
    yield Piece("locale", partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL))
    yield Piece("time zone", partial(itemgetter("tzname", "timezone"), vars(time)), lambda _: time.tzset())
    yield Piece("switch interval", sys.getswitchinterval, sys.setswitchinterval)
    yield Piece("limit of integer digits", sys.get_int_max_str_digits, sys.set_int_max_str_digits)
    yield Piece("async generator hooks", sys.get_asyncgen_hooks, lambda hooks: sys.set_asyncgen_hooks(*hooks))
    yield Piece("thread stack size", threading.stack_size, threading.stack_size)
    yield Piece("gc thresholds", gc.get_threshold, lambda thresholds: gc.set_threshold(*thresholds))
    yield Piece("gc debug flags", gc.get_debug, gc.set_debug)
    yield attributes(gc, ("callbacks", "garbage"))
    yield Piece("fault handler", faulthandler.is_enabled, _set_fault_handler)
    yield Piece("priority", partial(os.getpriority, os.PRIO_PROCESS, 0), partial(os.setpriority, os.PRIO_PROCESS, 0))
    if hasattr(os, "sched_getaffinity"):
        yield Piece("CPU affinity", partial(os.sched_getaffinity, 0), partial(os.sched_setaffinity, 0))


def slow_pieces() -> Iterator[Piece]:
    """Yield the pieces that take some microseconds each to read, and that handlers rarely change."""
    for module, names in PATCHED.items():
        yield attributes(import_module(module), names)
    names_of_builtins = frozenset(vars(builtins))
    yield Piece("names in builtins", partial(len, vars(builtins)), lambda _: _remove_others(names_of_builtins))
    if hasattr(os, "getresuid"):
        yield Piece("user", os.getresuid, _cannot("the user was changed"))
        yield Piece("group", os.getresgid, _cannot("the group was changed"))
    yield Piece("root folder", _root, _cannot("the root folder was changed"))
    for each in ("mnt", "net", "user", "pid_for_children"):
        with suppress(OSError):
            read = partial(os.readlink, f"/proc/self/ns/{each}")
            read()
            yield Piece(f"namespace {each}", read, _cannot(f"the namespace {each} was changed"))


def _cannot(what: str) -> Callable[[Any], object]:
    def refuse(_: Any) -> None:
        raise CannotRestore(what)

    return refuse


def attributes(holder: Any, names: Iterable[str]) -> Piece:
    """Return a piece of those of these attributes that exist. Lists are restored in place."""
    there = [name for name in names if name in vars(holder)]
    first, held = there[0], vars(holder)
    lists = {name: held[name] for name in there if isinstance(held[name], list)}

    def set_back(values: Any) -> None:
        for name, value in zip([*there, first], values, strict=True):
            if name in lists:
                lists[name][:] = value
            setattr(holder, name, lists.get(name, value))

    # The first name is read twice, because for a single one `itemgetter` returns no tuple.
    return Piece(getattr(holder, "__name__", type(holder).__name__), partial(itemgetter(*there, first), held), set_back)


def frozen(value: Any) -> Any:
    """Return a copy of a value for comparisons. Elements of lists, dictionaries and sets are not copied."""
    if isinstance(value, tuple):
        return tuple(each.copy() if isinstance(each, list) else each for each in value)
    return value.copy() if isinstance(value, (dict, set)) else value


def _signal_handlers() -> tuple[Any, ...]:
    return tuple(map(_signal.getsignal, SIGNALS))


def _set_signal_handlers(handlers: tuple[Any, ...]) -> None:
    for number, handler in zip(SIGNALS, handlers, strict=True):
        if _signal.getsignal(number) is not handler:
            if handler is None:
                raise CannotRestore(f"a signal handler of a library was replaced ({signal.Signals(number).name})")
            signal.signal(number, handler)


def _set_signal_mask(mask: set[int]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _set_fault_handler(on: bool) -> None:  # noqa: FBT001
    if on:
        faulthandler.enable()
    else:
        faulthandler.disable()


def _remove_others(names: frozenset[str]) -> None:
    for name in vars(builtins).keys() - names:
        delattr(builtins, name)


def _root() -> tuple[int, int]:
    found = Path("/").stat()
    return found.st_dev, found.st_ino


class RandomState:
    """Detects that a task has seeded Python's or NumPy's global random generator, and seeds it again.

    `random.seed` clears the number that `random.gauss` stores for its next call, so a number is stored there and later
    compared. In NumPy's generator the first word of the state is compared, which sometimes changes without a seed, too.
    """

    def __init__(self) -> None:
        self._instance: Any = getattr(random, "_inst", None)
        self._kept = self._put()
        self._numpy_word = b""
        self.seed_numpy()

    def is_seeded(self) -> bool:
        """Return whether a task may have seeded Python's generator."""
        return self._instance is not None and self._instance.gauss_next is not self._kept

    def restore(self) -> None:
        """Seed the generators that a task may have seeded."""
        if self.is_seeded():
            self._instance.seed()
            self._kept = self._put()
        self.seed_numpy()

    def seed_numpy(self) -> None:
        """Seed NumPy's generator if it is loaded and has changed."""
        numpy = sys.modules.get("numpy.random")
        state = getattr(getattr(numpy, "mtrand", None), "_rand", None)
        if numpy is not None and state is not None:
            address = state._bit_generator.ctypes.state_address  # noqa: SLF001
            if _word(address) != self._numpy_word:
                numpy.seed()
                self._numpy_word = _word(address)

    def _put(self) -> float:
        number = random.Random().gauss(0, 1)  # noqa: S311
        if self._instance is not None:
            self._instance.gauss_next = number
        return number


def _word(address: int) -> bytes:
    import ctypes  # noqa: PLC0415

    return ctypes.string_at(address, 8)

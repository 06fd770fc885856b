"""Lifespans: what a child process opens before its first task and closes at its end."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

from punctual.handler import refusal

Function = TypeVar("Function", bound=Callable[[], Iterator[None]])

_declared: dict[tuple[str, str], Callable[[], AbstractContextManager[None]]] = {}


def lifespan(function: Function) -> Function:
    """Declare a generator function that each child process runs around its tasks.

    The part before its only `yield` runs after the imports and before the first task of the child, the part after it
    when the child ends. A child whose lifespan raises before the `yield` runs no task. Several lifespans are entered in
    the order of their declarations, and left in reverse order. The function itself is returned unchanged.

    Raises:
        BadTaskType: the function takes arguments, or is not a generator function.
    """
    if not _is_generator(function):
        raise refusal(function, "a lifespan is a generator function. Write `def`, and one `yield` in it.")
    if inspect.signature(function).parameters:
        raise refusal(function, "a lifespan takes no arguments. Remove them.")
    _declared[function.__module__, function.__qualname__] = contextmanager(function)
    return function


def _is_generator(function: Any) -> bool:
    """Return whether this is a generator function, without narrowing its type."""
    return inspect.isgeneratorfunction(function)


@contextmanager
def entered() -> Iterator[None]:
    """Enter all lifespans that are declared in this process."""
    with ExitStack() as stack:
        for each in _declared.values():
            stack.enter_context(each())
        yield

"""`foo`, `fizz` and `buzz`: sleep for some seconds, then say their id."""

from __future__ import annotations

import time

from app.task_types import TaskContext, task_type
from workers.handlers.output import say


@task_type("foo")
def foo(context: TaskContext, _payload: dict[str, object]) -> dict[str, str]:
    """Sleep 3 s, print `Foo <id>`."""
    time.sleep(3)
    return say(f"Foo {context.id}")


@task_type("fizz")
def fizz(context: TaskContext, _payload: dict[str, object]) -> dict[str, str]:
    """Sleep 3 s, print `Fizz <id>`."""
    time.sleep(3)
    return say(f"Fizz {context.id}")


@task_type("buzz", timeout_s=10)
def buzz(context: TaskContext, _payload: dict[str, object]) -> dict[str, str]:
    """Sleep 5 s, print `Buzz <id>`."""
    time.sleep(5)
    return say(f"Buzz {context.id}")

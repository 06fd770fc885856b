"""`foo`, `fizz` and `buzz`: sleep for some seconds, then print the id of the task."""

from __future__ import annotations

import time

from punctual import Context, task
from workers.handlers.output import say


@task
def foo(context: Context) -> dict[str, str]:
    """Sleep 3 s, print `Foo <id>`."""
    time.sleep(3)
    return say(f"Foo {context.id}")


@task
def fizz(context: Context) -> dict[str, str]:
    """Sleep 3 s, print `Fizz <id>`."""
    time.sleep(3)
    return say(f"Fizz {context.id}")


@task(timeout_s=10)
def buzz(context: Context) -> dict[str, str]:
    """Sleep 5 s, print `Buzz <id>`."""
    time.sleep(5)
    return say(f"Buzz {context.id}")

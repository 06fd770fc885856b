"""The built-in types that print a line: `foo`, `fizz`, `buzz`, `baz` and `fizzbuzz`."""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, datetime

from punctual import Context, task

MAX_NUMBER = 343


@task
def foo(context: Context) -> dict[str, str]:
    """Sleep 3 s, print `Foo <id>`."""
    time.sleep(3)
    return print_line(f"Foo {context.id}")


@task
def fizz(context: Context) -> dict[str, str]:
    """Sleep 3 s, print `Fizz <id>`."""
    time.sleep(3)
    return print_line(f"Fizz {context.id}")


@task(timeout_s=10)
def buzz(context: Context) -> dict[str, str]:
    """Sleep 5 s, print `Buzz <id>`."""
    time.sleep(5)
    return print_line(f"Buzz {context.id}")


@task
def baz() -> dict[str, str]:
    """Print `Baz <N>`, N from 0 to 343 inclusive."""
    return print_line(f"Baz {random.randint(0, MAX_NUMBER)}")  # noqa: S311  # a number to print, not a secret


@task
def fizzbuzz() -> dict[str, str]:
    """Print `FizzBuzz <current time>`, RFC 3339 in UTC."""
    return print_line(f"FizzBuzz {datetime.now(UTC).isoformat().replace('+00:00', 'Z')}")


def print_line(line: str) -> dict[str, str]:
    """Print the line to stdout in one write, so that lines of processes do not mix; return it as the task's result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return {"output": line}

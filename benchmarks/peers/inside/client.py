"""The process that creates tasks through a Python peer's `adapter.py`: one order per line in, one answer per line out.

An adapter has `create(number, at_ms)`; it may have `create_many(numbers, at_ms)`, one call for all, `set_up()` for an
empty store, and `close()`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

PER_CALL = 1000


def main() -> None:
    """Answer orders until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of the peer must not mix with the answers
    import adapter  # noqa: PLC0415 - it may print, too

    answers.write(json.dumps({"bulk": hasattr(adapter, "create_many")}) + "\n")
    for line in sys.stdin:
        order = json.loads(line)
        answers.write(json.dumps(ORDERS[order.pop("do")](adapter, **order)) + "\n")
    if hasattr(adapter, "close"):
        adapter.close()


def set_up(adapter: Any) -> dict[str, Any]:
    """Make what the peer needs in an empty store."""
    if hasattr(adapter, "set_up"):
        adapter.set_up()
    return {}


def each(adapter: Any, *, first: int, at_ms: list[int]) -> dict[str, Any]:
    """One call per task; `first` is the number of the first."""
    began = time.perf_counter()
    for number, instant in enumerate(at_ms, first):
        adapter.create(number, instant)
    return {"created": len(at_ms), "seconds": time.perf_counter() - began}


def during(adapter: Any, *, first: int, at_ms: int, seconds: float) -> dict[str, Any]:
    """One call per task, for so long."""
    began, number = time.perf_counter(), first
    while time.perf_counter() - began < seconds:
        adapter.create(number, at_ms)
        number += 1
    return {"created": number - first, "seconds": time.perf_counter() - began}


def bulk(adapter: Any, *, first: int, at_ms: int, count: int) -> dict[str, Any]:
    """One call per thousand tasks."""
    began = time.perf_counter()
    for start in range(first, first + count, PER_CALL):
        adapter.create_many(range(start, min(start + PER_CALL, first + count)), at_ms)
    return {"created": count, "seconds": time.perf_counter() - began}


ORDERS: dict[str, Callable[..., dict[str, Any]]] = {"set_up": set_up, "each": each, "during": during, "bulk": bulk}

if __name__ == "__main__":
    main()

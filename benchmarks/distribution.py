"""A distribution in few numbers: enough to draw it, few enough to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = 200


def distribution(values: Iterable[float]) -> tuple[float, ...]:
    """The smallest value, then those that 1, 2 ... 200 two-hundredths of all do not exceed; nothing of nothing."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return tuple(float(f"{ordered[last * step // STEPS]:.4g}") for step in range(STEPS + 1)) if ordered else ()

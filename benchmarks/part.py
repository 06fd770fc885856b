"""A part of the table: what it starts, what it measures, and what that is to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.tasks import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

BENCH_WARM = partial(warm_up, task_type="bench")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value of a measure, by its key there; `limit` is the key of what bounds it."""

    key: str
    what: str
    unit: str
    goal: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A service of its own, measured again and again; those with an `option` only where it is given.

    Where `opened` is given, that is measured in place of a service.
    """

    name: str
    measure: Callable[[Any], dict[str, float]]
    rows: tuple[Wanted, ...]
    prepare: Callable[[Any], object] = BENCH_WARM
    environment: Mapping[str, str] = field(default_factory=dict)
    web: int = 1
    workers: int = 2
    repeats: bool = True
    option: str = ""
    opened: Callable[[], AbstractContextManager[Any]] | None = None

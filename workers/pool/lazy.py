"""Process state that belongs to a module which a handler may import later."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from workers.pool.state import Piece, frozen

DECIMAL_FIELDS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


@dataclass(frozen=True, slots=True)
class Lazy:
    """A piece of the state of a module, and its value right after the import."""

    module: str
    name: str
    read: Callable[[Any], Any]
    set_back: Callable[[Any, Any], object]
    fresh: Callable[[Any], Any] = lambda _: None

    def piece(self, module: ModuleType) -> Piece:
        """Return the piece of this module."""
        return Piece(
            f"{self.module}: {self.name}", lambda: self.read(module), lambda value: self.set_back(module, value)
        )


def attribute(module: str, name: str, fresh: Callable[[Any], Any] = lambda _: None) -> Lazy:
    """Return a piece that is an attribute of its module."""
    return Lazy(module, name, lambda m: getattr(m, name, None), lambda m, value: setattr(m, name, value), fresh)


def _read_limits(resource: Any) -> dict[int, tuple[int, int]]:
    numbers = sorted({number for name, number in vars(resource).items() if name.startswith("RLIMIT_")})
    return {each: resource.getrlimit(each) for each in numbers}


def _set_limits(resource: Any, limits: dict[int, tuple[int, int]]) -> None:
    for each, limit in limits.items():
        if resource.getrlimit(each) != limit:
            resource.setrlimit(each, limit)


def _read_decimal(decimal: Any) -> tuple[Any, ...]:
    default = decimal.DefaultContext
    return (*(getattr(default, each) for each in DECIMAL_FIELDS), dict(default.traps))


def _set_decimal(decimal: Any, values: tuple[Any, ...]) -> None:
    *fields, traps = values
    for name, value in zip(DECIMAL_FIELDS, fields, strict=True):
        setattr(decimal.DefaultContext, name, value)
    decimal.DefaultContext.traps.update(traps)


def _read_event_loop(events: Any) -> tuple[Any, ...]:
    policy = getattr(events, "_event_loop_policy", None)
    local = getattr(policy, "_local", None)
    return policy, getattr(local, "_loop", None), getattr(local, "_set_called", False), events._get_running_loop()  # noqa: SLF001


def _set_event_loop(events: Any, values: tuple[Any, ...]) -> None:
    policy, loop, was_set, running = values
    events._event_loop_policy = policy  # noqa: SLF001  # the public functions make a new policy
    if (local := getattr(policy, "_local", None)) is not None:
        local._loop, local._set_called = loop, was_set  # noqa: SLF001
    events._set_running_loop(running)  # noqa: SLF001


def _read_start_method(context: Any) -> Any:
    return context._default_context._actual_context  # noqa: SLF001  # `get_start_method` would set it


def _set_start_method(context: Any, value: Any) -> None:
    context._default_context._actual_context = value  # noqa: SLF001


ALL = (
    attribute("tempfile", "tempdir"),
    attribute("urllib.request", "_opener"),
    attribute("ssl", "_create_default_https_context", lambda ssl: ssl.create_default_context),
    Lazy(
        "csv", "field_size_limit", lambda m: m.field_size_limit(), lambda m, v: m.field_size_limit(v), lambda _: 131_072
    ),
    Lazy("decimal", "DefaultContext", _read_decimal, _set_decimal, lambda decimal: _read_decimal(_Fresh(decimal))),
    Lazy("asyncio.events", "event loop", _read_event_loop, _set_event_loop, lambda _: (None, None, False, None)),
    Lazy("multiprocessing.context", "start method", _read_start_method, _set_start_method),
    Lazy("structlog", "configuration", lambda m: m.get_config(), lambda m, value: m.configure(**value)),
)
LIMITS = Lazy("resource", "limits", _read_limits, _set_limits)


class _Fresh:
    """The module `decimal` as it is after an import: its default context has the documented values."""

    def __init__(self, decimal: Any) -> None:
        traps = [decimal.DivisionByZero, decimal.Overflow, decimal.InvalidOperation]
        self.DefaultContext = decimal.Context(prec=28, rounding=decimal.ROUND_HALF_EVEN, traps=traps)


def limits_now() -> dict[int, tuple[int, int]]:
    """Return the resource limits. Do not leave the module loaded: if it is, a handler may have set limits."""
    was_loaded = "resource" in sys.modules
    limits = _read_limits(importlib.import_module("resource"))
    if not was_loaded:
        del sys.modules["resource"]
    return limits


class Decimals:
    """The decimal context of the main thread, if an import has changed it. Each task gets a copy."""

    def __init__(self, context: Context) -> None:
        self._template: Any = next((value for each, value in context.items() if each.name == "decimal_context"), None)
        self._template = self._template and self._template.copy()
        self.is_used = self._template is not None

    def renew(self) -> None:
        """Set a copy in the current context."""
        sys.modules["decimal"].setcontext(self._template.copy())


class LazyPieces:
    """The pieces of all modules that are loaded. Those of other modules are added after their import."""

    def __init__(self) -> None:
        self._waiting = [*ALL, LIMITS]
        self._limits = limits_now()
        self._modules = 0
        self._at_start = {
            each: frozen(each.read(sys.modules[each.module])) for each in ALL if each.module in sys.modules
        }

    def loaded(self) -> Iterator[tuple[Piece, Any]]:
        """Yield the pieces of modules that were loaded since the last call, each with the value to set back."""
        if self._modules == len(sys.modules):
            return
        self._modules = len(sys.modules)
        for each in list(self._waiting):
            module = sys.modules.get(each.module)
            if module is None:
                continue
            self._waiting.remove(each)
            with suppress(Exception):  # a version of the module without this piece, which is skipped
                each.read(module)
                yield each.piece(module), self._value(each, module)

    def _value(self, piece: Lazy, module: ModuleType) -> Any:
        if piece is LIMITS:
            return self._limits
        return self._at_start[piece] if piece in self._at_start else piece.fresh(module)

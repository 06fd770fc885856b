"""The configuration of loggers other than the root logger, which a task may change for later tasks."""

from __future__ import annotations

import logging
import sys
from typing import Any, NamedTuple

MARK: Any = "unchanged"


class _Configuration(NamedTuple):
    """The attributes of a logger that can be configured."""

    level: int = logging.NOTSET
    handlers: tuple[Any, ...] = ()
    filters: tuple[Any, ...] = ()
    propagate: bool = True
    disabled: bool = False


class Loggers:
    """The configuration of all loggers when this object is created.

    Reading all of them takes long, so changes are detected by other means. A change of a level clears the caches of all
    loggers, and with them a mark in that of the root logger. A new handler or a new logger changes a count. The
    configuration of a logger that was created while a module was imported is kept.
    """

    def __init__(self) -> None:
        self._known = {name: _read(each) for name, each in _named().items()}
        self._remember()

    def restore(self) -> bool:
        """Restore all loggers that were changed; return whether any was."""
        if self._counts() == self._saved:
            return False
        came_with_import, changed = len(sys.modules) > self._modules, False
        for name, logger in _named().items():
            now = _read(logger)
            if name not in self._known and came_with_import:
                self._known[name] = now
            elif now != (saved := self._known.get(name, _Configuration())):
                _set(logger, saved)
                changed = True
        self._remember()
        return changed

    def _remember(self) -> None:
        logging.root._cache[MARK] = True  # type: ignore[attr-defined]  # noqa: SLF001
        self._modules = len(sys.modules)
        self._saved = self._counts()

    def _counts(self) -> tuple[bool, int, int]:
        cache: dict[Any, bool] = logging.root._cache  # type: ignore[attr-defined]  # noqa: SLF001
        return MARK in cache, len(logging._handlerList), len(logging.root.manager.loggerDict)  # type: ignore[attr-defined]  # noqa: SLF001


def _named() -> dict[str, logging.Logger]:
    loggers = logging.root.manager.loggerDict
    return {name: each for name, each in loggers.items() if isinstance(each, logging.Logger)}


def _read(logger: logging.Logger) -> _Configuration:
    return _Configuration(
        logger.level, tuple(logger.handlers), tuple(logger.filters), logger.propagate, logger.disabled
    )


def _set(logger: logging.Logger, saved: _Configuration) -> None:
    logger.handlers[:], logger.filters[:] = saved.handlers, saved.filters
    logger.propagate, logger.disabled = saved.propagate, saved.disabled
    logger.setLevel(saved.level)  # clears the caches

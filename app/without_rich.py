"""Imports structlog without rich, which it would print tracebacks with: memory in each process that never shows one.

Only the command line needs rich. Processes import this module first; whoever wants rich afterwards gets it, but for
structlog's own `RichTracebackFormatter`.
"""

from __future__ import annotations

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules

if "structlog" not in _modules and "rich" not in _modules:
    _modules["rich"] = None  # the import system's way to say that there is none
    try:
        import structlog as structlog  # noqa: PLC0414  # for its effect
    finally:
        del _modules["rich"]

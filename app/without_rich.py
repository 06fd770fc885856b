"""Imports structlog without rich, which it would print tracebacks with: 13 MB in each process that never shows one.

Only the command line needs rich. Processes import this module first; whoever wants rich afterwards gets it.
"""

from __future__ import annotations

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules

if "structlog" not in _modules and "rich" not in _modules:
    _modules["rich"] = None  # the import system's way to say that there is none
    import structlog as structlog  # noqa: PLC0414  # for its effect

    del _modules["rich"]

"""Import structlog without rich, which it would load to format tracebacks that no process shows.

rich and pygments take 3.4 MB of private memory and 40 ms at the start of each process, about 30 MB for `make run`,
whose limit is 450 MB. structlog has no setting for this: it imports rich whenever that is installed. The packages of
the processes import this module first. The command line imports rich afterwards as usual.
"""

from __future__ import annotations

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules

if "structlog" not in _modules and "rich" not in _modules:
    _modules["rich"] = None  # makes `import rich` raise ImportError
    try:
        import structlog as structlog  # noqa: PLC0414  # for its effect
    finally:
        del _modules["rich"]

"""The limit of open files of a process (RLIMIT_NOFILE)."""

from __future__ import annotations

import resource
from functools import cache

from app.errors import InvalidSetting


@cache
def soft_limit_at_start() -> int:
    """Return the soft limit with which this process was started. Programs that it starts get the same limit."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_file_limit(needed: int, *, because: str | None = None) -> None:
    """Raise the soft limit to the hard limit.

    The usual soft limit of 1,024 protects programs that call select(). No process of the service does.

    Raises:
        InvalidSetting: the hard limit is below the number of files needed `because` of a setting.
    """
    soft, hard = soft_limit_at_start(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for wanted in (hard, max(soft, needed)):  # macOS reports an unlimited hard limit, but refuses to set it
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            continue
        break
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if because and resource.RLIM_INFINITY != allowed < needed:
        raise InvalidSetting(
            f"{because} needs {needed:,} open files, and this process may open {allowed:,} (`ulimit -Hn`). "
            "Raise that limit, or lower the setting."
        )

"""`python -m app.preflight`: check settings and declarations once, before several processes are started with them."""

from __future__ import annotations

import sys

from app.config import listen_address, read_settings
from app.errors import BadTaskType, InvalidSetting
from app.task_types import load_task_types


def main() -> None:
    """Exit with code 1 and one sentence on stderr if a process could not start."""
    try:
        settings = read_settings()
        settings.require_secret()
        listen_address(settings.host)
        load_task_types(settings)
    except (InvalidSetting, BadTaskType) as wrong:
        sys.exit(str(wrong))


if __name__ == "__main__":
    main()

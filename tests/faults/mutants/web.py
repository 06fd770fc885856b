"""The web process with a bug in it: the factory that granian calls instead of ours."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

MUTANT = "PUNCTUAL_MUTANT"


def open_front() -> Any:
    """As `app.api.front.open_front`, after the bug of that name is in."""
    import_module(f"tests.faults.mutants.{os.environ[MUTANT]}").seed()
    return import_module("app.api.front").open_front()

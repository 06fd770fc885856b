"""Run the web process with a seeded bug, by another factory for granian to call."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from app.web_server import serve

MUTANT = "PUNCTUAL_MUTANT"


def make_server() -> Any:
    """Seed the bug named by the environment, then call `app.api.server.make_server`."""
    import_module(f"tests.faults.mutants.{os.environ[MUTANT]}").seed()
    return import_module("app.api.server").make_server()


if __name__ == "__main__":
    serve("tests.faults.mutants.web:make_server")

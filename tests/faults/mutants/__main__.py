"""Run a process with a seeded bug: `python -m tests.faults.mutants <mutant> <module of the process>`."""

from __future__ import annotations

import sys
from importlib import import_module

if __name__ == "__main__":
    mutant, process = sys.argv[1:]
    import_module(f"tests.faults.mutants.{mutant}").seed()
    import_module(process).main()

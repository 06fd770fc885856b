"""`python -m tests.fuzz`: the long run, on servers of its own; 1 if an answer was a 5xx, or an error but no problem."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from app.api.application import create_app
from app.api.services import services_of
from app.config import read_settings
from app.task_types import load_task_types
from local import valkey
from tests.acceptance.stores import Stores
from tests.fuzz.run import fuzz


def main() -> int:
    """Ask, tell."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--requests", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="punctual-fuzz-") as folder:
        Path(folder).chmod(0o755)
        with Stores(Path(folder)) as stores:
            cache = valkey.start(Path(folder, "valkey"), fast=True)
            urls = {"DATABASE_URL": stores.new_database(), "REDIS_URL": cache.url}
            settings = read_settings(
                os.environ | urls | {"EXTERNAL_TASK_TYPES": "outside", "LOG_LEVEL": "error", "AUTH": "off"}
            )
            app = create_app(settings, load_task_types(settings))
            services_of(app).stopping.set()  # nobody waits
            began = time.monotonic()
            tally = fuzz(app, requests=asked.requests, seed=asked.seed)
            services_of(app).engine.dispose()
            cache.discard()
    print(f"seed {asked.seed}, {time.monotonic() - began:.0f} s: {tally}")
    for fault in tally.faults[:20]:
        print(fault)
    return int(bool(tally.faults))


if __name__ == "__main__":
    sys.exit(main())

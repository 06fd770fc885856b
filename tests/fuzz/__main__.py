"""`python -m tests.fuzz`: a long fuzzing run on its own servers. Exits with 1 if an answer had a fault."""

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
    """Send requests and print a summary; return 1 if there were faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="punctual-fuzz-") as folder:
        Path(folder).chmod(0o755)
        with Stores(Path(folder)) as stores:
            cache = valkey.start(Path(folder, "valkey"), fast=True)
            urls = {"DATABASE_URL": stores.new_database(), "REDIS_URL": cache.url}
            settings = read_settings(
                os.environ | urls | {"EXTERNAL_TASK_TYPES": "outside", "LOG_LEVEL": "error", "AUTH": "off"}
            )
            app = create_app(settings, load_task_types(settings))
            began = time.monotonic()
            summary = fuzz(app, requests=arguments.requests, seed=arguments.seed)
            services_of(app).engine.dispose()
            cache.discard()
    print(f"seed {arguments.seed}, {time.monotonic() - began:.0f} s: {summary}")
    for fault in summary.faults[:20]:
        print(fault)
    return int(bool(summary.faults))


if __name__ == "__main__":
    sys.exit(main())

"""Record the statements of this release: `python -m tests.upgrades`, once the schema of a release is final.

A test runs them on the schemas of later releases. Files of releases that may no longer run beside the newest one are
deleted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import psycopg

from app.ledger.server import needed_version
from tests.acceptance.stores import Stores
from tests.upgrades.contract import FOLDER, current, write


def main() -> None:
    """Migrate a database, and write the statements with their result types to a file named after its schema."""
    with tempfile.TemporaryDirectory(prefix="punctual-upgrades-") as folder:
        Path(folder).chmod(0o755)
        with Stores(Path(folder)) as stores, psycopg.connect(stores.new_database(), autocommit=True) as connection:
            file = FOLDER / f"{needed_version()}.sql"
            write(file, current(connection))


if __name__ == "__main__":
    main()

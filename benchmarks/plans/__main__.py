"""`python -m benchmarks.plans`: fill a database that DATABASE_URL names, or one of its own, and print two tables.

The first has the plan of every statement, the second the indexes. Statements are rolled back, but they lock rows
for a moment, and the schema is upgraded: not for a database in use.
"""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.config import read_settings
from app.connections import connect_postgres
from benchmarks.plans.questions import Question, questions
from benchmarks.plans.shortened import Shortened, shorten
from benchmarks.rows.growth import FINAL, SCHEDULED, fill
from benchmarks.service import Service
from local.stores import open_stores

if TYPE_CHECKING:
    from sqlalchemy import Engine

TIMES = 3
EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
SIZES = """
SELECT coalesce(indexrelname, 'the table'), coalesce(reltuples, 0)::bigint, pg_relation_size(oid)
FROM (SELECT indexrelid AS oid, indexrelname FROM pg_stat_user_indexes WHERE relname = 'tasks'
      UNION ALL SELECT 'tasks'::regclass, NULL) AS kept JOIN pg_class USING (oid)
ORDER BY 3 DESC
"""


def main() -> None:
    """Fill the database unless it has tasks, explain the statements, print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plans", description=__doc__)
    parser.add_argument("--final", type=int, default=FINAL, help="tasks that are over")
    parser.add_argument("--scheduled", type=int, default=SCHEDULED, help="tasks that wait")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="punctual-plans-", ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        configured = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)}
        stores = open_stores(configured, folder, stack, print)
        service = Service(stores, folder, {})
        service.release()
        with service.postgres() as connection:
            is_empty = connection.execute("SELECT 1 FROM tasks LIMIT 1").fetchone() is None
        if is_empty:
            fill(service, final=options.final, scheduled=options.scheduled)
        engine = connect_postgres(read_settings(stores | {"DATABASE_TIMEOUT_S": "60"}), name="plans")
        stack.callback(engine.dispose)
        tell(engine)


def tell(engine: Engine) -> None:
    """Print both tables."""
    print("| statement | plan | rows | in vain | pages | planning ms | ms |\n|---|---|---|---|---|---|---|")
    for question in questions(engine):
        best = min((explain(engine, question) for _ in range(TIMES)), key=lambda each: each.ms)
        numbers = f"{best.rows:,} | {best.dropped:,} | {best.pages:,} | {best.planning_ms:.1f} | {best.ms:.1f}"
        print(f"| {question.name} | {best.plan} | {numbers} |", flush=True)
    print("\n| index | entries | MB |\n|---|---|---|")
    with engine.connect() as connection:
        for name, entries, size in connection.exec_driver_sql(SIZES):
            print(f"| {name} | {entries:,} | {size / 1e6:,.1f} |")


def explain(engine: Engine, question: Question) -> Shortened:
    """Execute a statement with EXPLAIN ANALYZE, and roll it back."""
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        for text, values in question.first:
            connection.exec_driver_sql(text, values)
        plan = connection.exec_driver_sql(EXPLAIN + question.text, question.values).scalar_one()
        connection.rollback()
    return shorten(plan[0])


if __name__ == "__main__":
    main()

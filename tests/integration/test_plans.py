"""Query plans: the cost of a statement does not depend on the size of the table."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import text

from app.connections import connect_postgres
from app.ledger import claims, repairs
from app.ledger.statements import statement
from app.outcome import succeeded
from tests.making import ahead, ids, make

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.config import Settings
    from app.operations import Operations
    from app.task import Task

FILLER = (
    "INSERT INTO tasks (id, type, execute_at, payload, timeout_s, max_attempts, state, finished_at)"
    " SELECT gen_random_uuid(), 'noop', now() - n * interval '1 s', '{}', 5, 1,"
    " (CASE WHEN n % 10 = 0 THEN 'scheduled' ELSE 'succeeded' END)::task_state, now()"
    " FROM generate_series(1, 30000) AS n"
)
ROWS_READ = (
    "SELECT seq_tup_read + idx_tup_fetch + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'tasks')"
    " FROM pg_stat_user_tables WHERE relname = 'tasks'"
)


def test_plans_kept_from_an_empty_table_serve_a_large_one(
    owner: Engine, settings: Settings, operations: Operations
) -> None:
    """Workers keep prepared plans. They use the primary key, so that the cost of a hundred tasks stays the same."""
    keeping = connect_postgres(settings, name="worker", pool=1, keeps_plans=True)
    with owner.connect() as connection:
        connection.execute(text("ANALYZE tasks"))  # invalidates earlier plans
        for _ in range(10):
            _live(keeping, make(operations, 3, at=ahead(-1)))
        connection.execute(text(FILLER))
    made = make(operations, 100, at=ahead(-1))
    before = _rows_read(keeping)
    _live(keeping, made)
    assert 500 < _rows_read(keeping) - before < 5000
    keeping.dispose()


def _live(engine: Engine, made: list[Task]) -> None:
    """Execute every statement of a worker: claim, hand back, claim again and finish these tasks."""
    token = claims.new_token()
    claim = partial(claims.claim, engine, worker_id="w", types=["noop"], asked_at=0)
    handed_back = claim(ids(made), token=token).mine
    assert len(claims.claimed_by(engine, ids(made), token)) == len(made)
    assert len(claims.hand_back(engine, [(each.id, each.token) for each in handed_back])) == len(made)
    assert len(claims.waiting(engine, ids(made))) == len(made)
    mine = claim(ids(made), token=claims.new_token()).mine
    outcomes = [succeeded(each.id, each.token, "1") for each in mine]
    for _ in range(2):
        assert claims.finish(engine, outcomes).fenced == []


def _rows_read(engine: Engine) -> int:
    """Return how many rows and index entries of `tasks` were read so far."""
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return int(connection.execute(text(ROWS_READ)).scalar_one())


def test_claim_and_finish_stay_on_the_primary_key_of_a_large_table(owner: Engine, operations: Operations) -> None:
    made = make(operations, 100, at=ahead(-1))
    request = {"ids": ids(made), "worker_id": "w", "types": ["noop"], "token": claims.new_token()}
    written: dict[str, object] = {
        "ids": ids(made),
        "tokens": [claims.new_token()] * 100,
        "states": ["succeeded"] * 100,
        "results": ["1"] * 100,
    }
    written |= {"errors": [None] * 100, "retries_in_s": [None] * 100}
    with owner.connect() as connection:
        connection.execute(text(FILLER))
        connection.execute(text("ANALYZE tasks"))
        for name, parameters in (("claim", request), ("finish", written), ("waiting", {"ids": ids(made)})):
            rows = connection.exec_driver_sql(f"EXPLAIN {statement(name)}", parameters).fetchall()
            plan = "\n".join(row[0] for row in rows)
            assert "tasks_pkey" in plan, plan
            assert "Seq Scan on tasks" not in plan, plan


def test_a_page_of_tasks_due_at_one_instant_reads_one_page(settings: Settings, operations: Operations) -> None:
    """A page must not read and sort all tasks of the instant."""
    sweeping = connect_postgres(
        settings, name="sweeper", pool=1
    )  # one connection, whose statistics are flushed at once
    at, after = ahead(60), repairs.page_start("noop")
    made = sorted(ids(make(operations, 3000, at=at)))
    fed = []
    before = _rows_read(sweeping)
    while page := repairs.due_between(sweeping, after=after, until=at + timedelta(seconds=1), limit=300):
        fed += [each.id for each in page]
        after = page[-1]
    assert fed == made
    # One index entry and one row for each task. Sorting the rest for each page would read 33,000.
    assert 6000 <= _rows_read(sweeping) - before < 9000
    sweeping.dispose()

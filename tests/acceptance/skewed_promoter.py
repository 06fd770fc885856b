"""A promoter whose clock is wrong: `python -m tests.acceptance.skewed_promoter <seconds ahead>`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from app.clock import PostgresClock
from app.config import read_settings
from app.connections import connect_postgres, connect_redis
from app.ledger import server
from app.logs import configure_logs
from app.loop import repeat, stop_on_signals
from app.task_types import load_task_types
from workers.promoter import Promoter, log

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.task_types import TaskTypes


class WrongClock(PostgresClock):
    """A clock that is never corrected."""

    def refresh(self) -> None:
        """Do not measure the offset to Postgres' clock."""


class SkewedPromoter(Promoter):
    """A promoter that uses its own clock instead of Postgres'."""

    def __init__(self, engine: Engine, redis: Redis, types: TaskTypes, *, clock: Callable[[], float]) -> None:
        super().__init__(engine, redis, types)
        self._clock = WrongClock(partial(server.clock, engine), own=clock)


def main() -> None:
    """Run like `workers.promoter.main`, but with the wrong clock."""
    settings = read_settings()
    configure_logs(settings, process="skewed_promoter")
    stop = stop_on_signals()
    engine = connect_postgres(settings, name="skewed promoter", pool=1)
    redis = connect_redis(settings, timeout_s=5)
    ahead_s = float(sys.argv[1])
    promoter = SkewedPromoter(engine, redis, load_task_types(settings), clock=lambda: time.time() + ahead_s)
    log.info("promoter_started")
    repeat(promoter.step, wait=promoter.wait, stop=stop, name="skewed_promoter")


if __name__ == "__main__":
    main()

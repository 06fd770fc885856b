"""Signs of life: the loop that does the work records its steps in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as BrokerUnavailable

from app.broker.keys import PROCESSES
from app.broker.processes import FORGET_AFTER_S, SignOfLife, silence_s

if TYPE_CHECKING:
    from redis import Redis


def test_steps_that_end_well_are_recorded_and_failed_ones_are_not(redis: Redis) -> None:
    at = [1000.0]
    sign = SignOfLife(redis, "promoter", "host.1.a", clock=lambda: at[0])

    def fail() -> bool:
        raise BrokerUnavailable

    with pytest.raises(BrokerUnavailable):
        sign.after(fail)()
    assert silence_s(redis, now=1000.0) == {}
    assert sign.after(lambda: True)() is True
    assert silence_s(redis, now=1001.0) == {"promoter": [1.0]}
    for moment in (1001.0, 1003.0, 900.0):  # a moment ago, later, and after the clock was set back
        at[0] = moment
        assert sign.after(lambda: False)() is False
    assert silence_s(redis, now=905.0) == {"promoter": [5.0]}


def test_old_records_are_removed_and_foreign_fields_ignored(redis: Redis) -> None:
    SignOfLife(redis, "sweeper", "host.1.a", clock=lambda: 0.0).record()
    redis.hset(PROCESSES, "sweeper odd", "soon")
    SignOfLife(redis, "sweeper", "host.2.b", clock=lambda: FORGET_AFTER_S + 1).record()
    assert silence_s(redis, now=FORGET_AFTER_S + 2) == {"sweeper": [1.0]}


def test_a_process_continues_to_work_while_nothing_can_be_recorded(redis: Redis) -> None:
    redis.set(PROCESSES, "of another type")
    assert SignOfLife(redis, "sweeper", "host.1.a").after(lambda: True)() is True

"""The raw loop's promoter: moves due ids from the sorted set to the list, a thousand at a time; sleeps in between."""

from __future__ import annotations

import os
import time

from redis import Redis

from benchmarks.limits.stores import LIST, MOVE, SET

AT_ONCE = 1000
LOOK_S = 0.02


def main() -> None:
    """Until it is killed."""
    redis = Redis.from_url(os.environ["REDIS_URL"])
    move = redis.register_script(MOVE)
    while True:
        next_at = move(keys=[SET, LIST], args=[repr(time.time()), AT_ONCE])
        pause_s = float(next_at) - time.time() if next_at else LOOK_S
        time.sleep(min(max(pause_s, 0.0), LOOK_S))


if __name__ == "__main__":
    main()

"""Is Redis there, new enough, and does it keep what it is given?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from app.cli.doctor.finding import Finding, fail, ok

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis import Redis

OLDEST = (6, 2)


def check_redis(redis: Redis) -> Iterator[Finding]:
    """All about Redis; one finding when it is away."""
    try:
        found: Any = redis.info()
    except RedisError as away:
        yield fail("redis", f"does not answer ({type(away).__name__})", "Start it, or correct REDIS_URL.")
        return
    yield check_version(found)
    yield check_eviction(found)


def check_version(found: Mapping[str, Any]) -> Finding:
    """New enough? Valkey says its own version beside the one of Redis it is compatible with."""
    compatible = str(found.get("redis_version", "0"))
    own = f"Valkey {found['valkey_version']}, like Redis {compatible}" if "valkey_version" in found else compatible
    if tuple(int(part) for part in compatible.split(".")[:2] if part.isdigit()) < OLDEST:
        return fail("redis", f"version {own}", "Upgrade to Redis 6.2 or Valkey.")
    return ok("redis", f"version {own}")


def check_eviction(found: Mapping[str, Any]) -> Finding:
    """Does it refuse new keys when full, instead of throwing old ones away?"""
    policy = found.get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        remedy = "`CONFIG SET maxmemory-policy noeviction`, and in its configuration: otherwise tasks start late."
        return fail("eviction", f"maxmemory-policy is {policy}", remedy)
    return ok("eviction", "maxmemory-policy is noeviction")

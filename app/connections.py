"""Connections to the two servers, each with time limits.

A pooler such as PgBouncer in transaction mode runs each transaction on any of its connections to Postgres. Settings and
prepared statements of a session are lost there. psycopg numbers the prepared statements of each connection from zero,
so that the names of different clients collide, and the wrong statement runs without an error. Therefore each new
connection is examined, and nothing is prepared on a shared one.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import psycopg
from psycopg.adapt import Buffer, Loader
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine, event

from app.addresses import is_unix_socket
from app.logs import get_logger
from app.redis_prefix import PrefixingSerializer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.config import Settings

log = get_logger()

POOLER_CHECK_TIMEOUT_S = 3.0

# For prepared statements that keep their plan. Planning takes a tenth of the time of a statement on 300 tasks, and a
# third of one on a single task. Only for statements that find their tasks by id: without the last two settings, a plan
# that was made while the table was small reads the whole table, and is kept when the table has grown.
KEPT_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_nestloop": "off"}


def read_json(stored: bytes | str) -> Any:
    """Parse JSON from Postgres. What only Postgres accepts is returned as text, so that one row cannot fail a list."""
    try:
        return orjson.loads(stored)
    except ValueError:
        return stored.decode() if isinstance(stored, bytes) else stored


def connect_postgres(settings: Settings, *, name: str, pool: int | None = None, keeps_plans: bool = False) -> Engine:
    """Make an engine. It opens connections on first use, and each statement commits by itself.

    `name` is shown in pg_stat_activity. `keeps_plans` is for statements that find their tasks by id and no other way.
    Never share an engine across a fork.
    """
    asked = session_settings(settings) | (KEPT_PLANS if keeps_plans else {})
    engine = create_engine(
        settings.database_url,
        isolation_level="AUTOCOMMIT",
        pool_size=pool or settings.database_pool,
        max_overflow=0,
        pool_timeout=settings.database_timeout_s,
        hide_parameters=True,
        json_deserializer=read_json,
        connect_args={
            "application_name": f"punctual {name}",
            "connect_timeout": 3,
            "options": " ".join(f"-c {key}={value}" for key, value in asked.items()),
            "prepare_threshold": 2 if settings.database_prepare else None,
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": int(settings.database_timeout_s * 2000),
        },
    )
    event.listen(engine, "connect", _keep_json_as_text)
    event.listen(engine, "connect", _prepare_nothing_if_shared)
    if settings.database_schema:
        event.listen(engine, "connect", partial(_require_schema, settings.database_schema))
    return engine


def session_settings(settings: Settings) -> dict[str, str]:
    """Return the settings that each session asks Postgres for, in Postgres' units. Some sessions add KEPT_PLANS.

    A pooler does not pass them on.
    """
    limit_ms = int(settings.database_timeout_s * 1000)
    schema = {"search_path": settings.database_schema} if settings.database_schema else {}
    return schema | {
        "statement_timeout": str(limit_ms),
        "lock_timeout": str(limit_ms // 2),
        "idle_in_transaction_session_timeout": str(limit_ms * 2),
        "TimeZone": "UTC",
        # A plan that was made while the table was small reads all of it when it is large.
        "plan_cache_mode": "force_custom_plan",
        # The cost for an SSD. With the default of 4, Postgres reads a table of ten thousand rows as a whole to finish a
        # hundred tasks. JIT compilation costs more here than it ever saves.
        "random_page_cost": "1.1",
        "jit": "off",
    }


def connect_redis(settings: Settings, *, timeout_s: float | None = None, **options: Any) -> Redis:
    """Make a client, all of whose keys have the prefix REDIS_PREFIX.

    `timeout_s` limits the time of each command (default: REDIS_TIMEOUT_S, for requests).
    """
    limit = timeout_s or settings.redis_timeout_s
    if settings.redis_url.startswith("rediss://"):
        options |= _tls_options(settings)
    if not is_unix_socket(settings.redis_url):
        options["socket_keepalive"] = True
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=limit,
        socket_connect_timeout=limit,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
        command_packer=PrefixingSerializer(settings.redis_prefix),
        driver_info=None,  # saves two CLIENT SETINFO, which old versions refuse, and restricted users may not run
        **options,
    )


def _tls_options(settings: Settings) -> dict[str, Any]:
    if settings.redis_tls_verify == "none":
        return {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    if not settings.redis_tls_ca:
        return {}
    kind = "ssl_ca_path" if Path(settings.redis_tls_ca).is_dir() else "ssl_ca_certs"
    return {kind: settings.redis_tls_ca}


def is_shared(driver: psycopg.Connection[Any]) -> bool:
    """Whether a pooler shares this connection: a backend other than the one that the login named answers.

    Raises:
        psycopg.Error: there was no reply within POOLER_CHECK_TIMEOUT_S; the connection is aborted.
    """
    with abort_after(driver, POOLER_CHECK_TIMEOUT_S):
        answered = driver.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return answered is None or answered[0] != driver.info.backend_pid


def abort(driver: psycopg.Connection[Any]) -> None:
    """Abort a blocked call by shutting down a duplicate of its socket. The blocked read returns the end of file."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(driver.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)


@contextmanager
def abort_after(driver: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Abort what the connection waits for in this block if it takes longer."""
    timer = threading.Timer(seconds, abort, [driver])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _require_schema(schema: str, driver: psycopg.Connection[Any], *_: object) -> None:
    """Refuse a connection that uses another schema: a pooler does not pass DATABASE_SCHEMA on, and would mix up two.

    Raises:
        psycopg.OperationalError: the remedy is in docs/operating.md, "Behind PgBouncer".
    """
    with abort_after(driver, POOLER_CHECK_TIMEOUT_S):
        used = driver.execute("SELECT current_setting('search_path')", prepare=False).fetchone()
    if used != (schema,):
        log.error("schema_not_in_force", wanted=schema)
        raise psycopg.OperationalError("this connection does not use DATABASE_SCHEMA")


class _JsonTextLoader(Loader):
    """Reads `json`, the payload and the result of a task, as the text that is stored. `jsonb` is parsed."""

    def load(self, data: Buffer) -> msgspec.Raw:
        return msgspec.Raw(bytes(data))


def _keep_json_as_text(driver: psycopg.Connection[Any], *_: object) -> None:
    driver.adapters.register_loader("json", _JsonTextLoader)


def _prepare_nothing_if_shared(driver: psycopg.Connection[Any], *_: object) -> None:
    """Run for each new connection, because an address may lead to a pooler later."""
    if driver.prepare_threshold is not None and is_shared(driver):
        driver.prepare_threshold = None

"""Connections to the two servers, each with time limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from psycopg.adapt import Buffer, Loader
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine, event, make_url

from app.addresses import is_unix_socket
from app.postgres_sessions import KEPT_PLANS, Sessions, session_settings
from app.redis_pool import client
from app.redis_prefix import PrefixingSerializer

if TYPE_CHECKING:
    import psycopg
    from redis import Redis
    from sqlalchemy import URL, Engine

    from app.config import Settings


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
    url = make_url(settings.database_url)
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=pool or settings.database_pool,
        max_overflow=0,
        pool_timeout=settings.database_timeout_s,
        hide_parameters=True,
        json_deserializer=read_json,
        connect_args=_writable(url)
        | {
            "application_name": f"punctual {name}",
            "connect_timeout": 3,
            "client_encoding": "UTF8",
            "prepare_threshold": 2 if settings.database_prepare else None,
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": int(settings.database_timeout_s * 2000),
        },
    )
    event.listen(engine, "connect", _keep_json_as_text)
    Sessions(asked, more_options=str(url.query.get("options", ""))).watch(engine)
    return engine


def _writable(url: URL) -> dict[str, str]:
    """With several hosts, use one that can write, unless DATABASE_URL sets `target_session_attrs`."""
    hosts = url.query.get("host", url.host or "")
    several = not isinstance(hosts, str) or "," in hosts
    return {"target_session_attrs": "read-write"} if several and "target_session_attrs" not in url.query else {}


def connect_redis(settings: Settings, *, timeout_s: float | None = None, **options: Any) -> Redis:
    """Make a client, all of whose keys have the prefix REDIS_PREFIX.

    `timeout_s` limits the time of each command (default: REDIS_TIMEOUT_S, for requests).
    """
    limit = timeout_s or settings.redis_timeout_s
    if settings.redis_url.startswith("rediss://"):
        options |= _tls_options(settings)
    if not is_unix_socket(settings.redis_url):
        options["socket_keepalive"] = True
    return client(
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


class _JsonTextLoader(Loader):
    """Loads `json` (the payload and the result of a task) as the stored text. `jsonb` is parsed."""

    def load(self, data: Buffer) -> msgspec.Raw:
        return msgspec.Raw(bytes(data))


def _keep_json_as_text(driver: psycopg.Connection[Any], *_: object) -> None:
    driver.adapters.register_loader("json", _JsonTextLoader)

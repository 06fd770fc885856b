"""Settings. No other module reads the environment; values that cannot be used are refused at the start."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec

from app.errors import InvalidSetting

Positive = Annotated[float, msgspec.Meta(gt=0)]
# The sweeper runs twice a second. The upper bound keeps now plus a window within the range of datetime.
Window = Annotated[float, msgspec.Meta(ge=1, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=1)]
# Empty: the first schema of the role's search_path. No capitals, so that it needs no quotes anywhere.
QueueName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}\Z")]
SchemaName = Annotated[str, msgspec.Meta(pattern=r"^(?!pg_|information_schema\Z)([a-z_][a-z0-9_]{0,62})?\Z")]
# Without a colon, so that no prefix is the beginning of a key under another one.
Prefix = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}\Z")]
MIN_SECRET = 32


class HandlerSettings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """The settings of the built-in handlers; none of them is an address of the service's own servers."""

    bar_url: str = "https://www.whattimeisitrightnow.com/"


class Settings(HandlerSettings, frozen=True, kw_only=True, rename=str.upper):
    """Each field is the environment variable of the same name in capitals; `_s` is seconds."""

    database_url: str
    redis_url: str
    app_env: Literal["development", "production"] = "development"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    host: str = "0.0.0.0"  # noqa: S104 - where the web process listens, unless told otherwise
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 8000
    web_processes: Count = 1

    auth: Literal["auto", "on", "off"] = "auto"
    secret_key: str = ""
    requests_per_minute: Annotated[int, msgspec.Meta(ge=0)] = 0

    task_modules: str = "workers.handlers"
    external_task_types: str = ""

    schedule_window_s: Window = 3600.0
    queue: QueueName = "default"
    slots: Count = 16
    shutdown_grace_s: Positive = 25.0
    heartbeat_s: Positive = 3.0
    worker_dead_after_s: Positive = 15.0
    retention_s: Positive = 30 * 86400.0

    database_pool: Annotated[int, msgspec.Meta(ge=2)] = 10
    database_timeout_s: Positive = 5.0
    database_prepare: bool = True
    database_schema: SchemaName = ""
    redis_prefix: Prefix = "punctual"
    redis_timeout_s: Positive = 0.25
    redis_tls_verify: Literal["required", "none"] = "required"

    def __repr__(self) -> str:
        """Hide secrets, and URLs that contain a password."""
        hidden = {"database_url", "redis_url", "secret_key"}
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in hidden)
        return f"Settings({', '.join(shown)})"

    @property
    def demands_keys(self) -> bool:
        """Whether the API requires keys. AUTH=auto requires them in production and where others can reach the API."""
        if self.auth == "auto":
            return self.app_env == "production" or not _is_loopback(self.host)
        return self.auth == "on"

    @property
    def modules(self) -> tuple[str, ...]:
        """The Python modules that declare task types."""
        return _words(self.task_modules)

    @property
    def external_types(self) -> frozenset[str]:
        """Types that only outside workers run, in lower case."""
        return frozenset(word.lower() for word in _words(self.external_task_types))


Read = TypeVar("Read", bound=HandlerSettings)


def read_settings(
    environment: Mapping[str, str] | None = None, *, otherwise: Mapping[str, str] | None = None
) -> Settings:
    """Read and check all settings; `otherwise` replaces what the environment does not set.

    Raises:
        InvalidSetting: naming the variable and what it must be, never its value.
    """
    given = os.environ if environment is None else environment
    if otherwise:
        given = {**otherwise, **{name: value for name, value in given.items() if value}}
    known = _known(given, Settings)
    for required in ("DATABASE_URL", "REDIS_URL"):
        if required not in known:
            raise InvalidSetting(f"{required} is not set. `make run` starts both servers and sets it.")
    known["DATABASE_URL"] = _database_url(known["DATABASE_URL"])
    known["REDIS_URL"] = _redis_url(known["REDIS_URL"])
    settings = _checked(known, Settings)
    if settings.heartbeat_s * 3 > settings.worker_dead_after_s:
        raise InvalidSetting("WORKER_DEAD_AFTER_S must be at least three times HEARTBEAT_S.")
    if 0 < len(settings.secret_key) < MIN_SECRET:
        raise InvalidSetting(f"SECRET_KEY must have at least {MIN_SECRET} characters.")
    return settings


def read_handler_settings(environment: Mapping[str, str] | None = None) -> HandlerSettings:
    """Read what the built-in handlers need; no other variable has to be set.

    Raises:
        InvalidSetting: naming the variable and what it must be, never its value.
    """
    return _checked(_known(os.environ if environment is None else environment, HandlerSettings), HandlerSettings)


def client_key(environment: Mapping[str, str] | None = None) -> str | None:
    """The API key that our own clients send, if the environment has one."""
    given = os.environ if environment is None else environment
    return given.get("PUNCTUAL_API_KEY", "").strip() or None


def worker_name(suffix: str) -> str:
    """Name this process in the ledger: host, pid, and `suffix`, new at every start."""
    return f"{socket.gethostname()[:80]}.{os.getpid()}.{suffix}"


def _known(environment: Mapping[str, str], settings: type[HandlerSettings]) -> dict[str, str]:
    """The variables that are settings; an empty one counts as not set."""
    return {name: environment[name] for name in settings.__struct_encode_fields__ if environment.get(name, "") != ""}


def _checked(known: Mapping[str, str], settings: type[Read]) -> Read:
    try:
        return msgspec.convert(known, settings, strict=False)
    except msgspec.ValidationError as refused:
        raise InvalidSetting(_without_values(str(refused))) from None


def _database_url(url: str) -> str:
    """Accept the spelling of Heroku-like platforms; name the driver for SQLAlchemy."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise InvalidSetting("DATABASE_URL must begin with postgres:// or postgresql://")
    return f"postgresql+psycopg://{rest}"


def _redis_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss"}:
        raise InvalidSetting("REDIS_URL must begin with redis:// or rediss://")
    return urlunsplit(parts)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _without_values(message: str) -> str:
    what, _, where = message.partition(" - at `$.")
    return f"{where.rstrip('`')}: {what}" if where else what

"""Settings. No other module reads the environment; values that cannot be used are refused at the start."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from app.errors import InvalidSetting

# Upper bounds keep each number within what Postgres, Redis and datetime can hold.
Positive = Annotated[float, Meta(ge=0.001, le=1e6)]
Age = Annotated[float, Meta(gt=0, le=1e9)]
# The sweeper runs twice a second. The upper bound keeps now plus a window within the range of datetime.
Window = Annotated[float, Meta(ge=1, le=1e9)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Host = Annotated[
    str,
    Meta(pattern=r"^\[?[A-Za-z0-9._:-]{1,255}\]?\Z", description="an address or name of this machine, without a port"),
]
WebAddress = Annotated[
    str, Meta(pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?\Z", description="an http:// or https:// address without a user")
]
# Empty: the first schema of the role's search_path. No capitals, so that it needs no quotes anywhere.
QueueName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}\Z", description="1 to 64 letters, digits or any of _ . : -")
]
SchemaName = Annotated[
    str,
    Meta(
        pattern=r"^(?!pg_|information_schema\Z)([a-z_][a-z0-9_]{0,62})?\Z",
        description="up to 63 lower-case letters, digits or _, and not one of Postgres' own schemas",
    ),
]
# Without a colon, so that no prefix is the beginning of a key under another one.
Prefix = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}\Z", description="1 to 32 letters, digits or any of _ . -")]
InitialKey = Annotated[
    str, Meta(pattern=r"^([A-Za-z0-9_-]{43,200})?\Z", description="43 to 200 letters, digits or any of _ -")
]
# Segments of a path. No dots alone, so that no browser takes it for another folder.
UrlPrefix = Annotated[
    str,
    Meta(
        pattern=r"^((/(?!\.{1,2}(/|\Z))[A-Za-z0-9._~-]{1,64}){1,8})?\Z",
        description="a path such as /punctual, without a slash at the end",
    ),
]
MIN_SECRET = 32
SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}
SECRETS = {"database_url", "redis_url", "secret_key", "initial_api_key"}


class HandlerSettings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """The settings of the built-in handlers; none of them is an address of the service's own servers."""

    bar_url: WebAddress = "https://www.whattimeisitrightnow.com/"


class Settings(HandlerSettings, frozen=True, kw_only=True, rename=str.upper):
    """Each field is the environment variable of the same name in capitals; `_s` is seconds."""

    database_url: str
    redis_url: str
    app_env: Literal["development", "production"] = "development"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"
    log_requests: Literal["all", "errors", "none"] = "all"
    host: Host = "0.0.0.0"  # noqa: S104 - where the web process listens, unless told otherwise
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8000
    web_processes: Count = 1
    url_prefix: UrlPrefix = ""
    keep_alive_s: Annotated[float, Meta(ge=1, le=3600)] = 100.0

    auth: Literal["auto", "on", "off"] = "auto"
    secret_key: str = ""
    initial_api_key: InitialKey = ""
    requests_per_minute: Annotated[int, Meta(ge=0, le=10**9)] = 0

    task_modules: str = "workers.handlers"
    external_task_types: str = ""

    schedule_window_s: Window = 3600.0
    queue: QueueName = "default"
    slots: Count = 16
    max_tasks_per_child: Annotated[int, msgspec.Meta(ge=0)] = 100_000
    max_memory_mb: Annotated[int, msgspec.Meta(ge=0)] = 512
    preload_modules: str = ""
    shutdown_grace_s: Positive = 25.0
    heartbeat_s: Positive = 3.0
    worker_dead_after_s: Positive = 15.0
    retention_s: Age = 30 * 86400.0

    database_pool: Annotated[int, Meta(ge=2, le=10_000)] = 10
    database_timeout_s: Annotated[float, Meta(ge=0.01, le=1e6)] = 5.0  # Postgres counts milliseconds, and 0 is no limit
    database_prepare: bool = True
    database_schema: SchemaName = ""
    redis_prefix: Prefix = "punctual"
    redis_timeout_s: Positive = 0.25
    redis_tls_verify: Literal["required", "none"] = "required"
    redis_tls_ca: str = ""

    def __repr__(self) -> str:
        """Hide secrets, and URLs that contain a password."""
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in SECRETS)
        return f"Settings({', '.join(shown)})"

    @property
    def demands_keys(self) -> bool:
        """Whether the API requires keys. AUTH=auto requires them in production and where others can reach the API."""
        if self.auth == "auto":
            return self.app_env == "production" or not _is_loopback(self.host)
        return self.auth == "on"

    def require_secret(self) -> None:
        """Refuse to run a web process in production without SECRET_KEY. All web processes must sign cookies alike.

        Raises:
            InvalidSetting: SECRET_KEY is not set.
        """
        if self.demands_keys and self.app_env == "production" and not self.secret_key:
            raise InvalidSetting(
                "SECRET_KEY is not set: make one with python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )

    @property
    def modules(self) -> tuple[str, ...]:
        """The Python modules that declare task types."""
        return _words(self.task_modules)

    @property
    def preloaded(self) -> tuple[str, ...]:
        """The modules that all children of a worker share: the built-in ones and those of PRELOAD_MODULES."""
        ours = tuple(each for each in self.modules if each.partition(".")[0] == "workers")
        return (*ours, *_words(self.preload_modules))

    @property
    def external_types(self) -> frozenset[str]:
        """Types that only outside workers run, in lower case."""
        return frozenset(word.lower() for word in _words(self.external_task_types))


Read = TypeVar("Read", bound=HandlerSettings)


def read_settings(
    environment: Mapping[str, str] | None = None, *, otherwise: Mapping[str, str] | None = None, connects: bool = True
) -> Settings:
    """Read and check all settings. `otherwise` has the values of variables that the environment does not set.

    With `connects=False`, for a process that connects to no server, addresses are not checked and no driver is loaded.

    Raises:
        InvalidSetting: naming the variable and what it must be, never its value.
    """
    given = os.environ if environment is None else environment
    if otherwise:
        given = {**otherwise, **{name: value for name, value in given.items() if value}}
    known = _known(given, Settings)
    for required in ("DATABASE_URL", "REDIS_URL"):
        if required not in known:
            raise InvalidSetting(f"{required} is not set; `make run` starts both servers and sets it.")
    if connects:
        _check_addresses(known)
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


def listen_address(host: str) -> str:
    """Return the IP address of HOST, which may be a name. If it has several addresses, IPv4 is preferred.

    Raises:
        InvalidSetting: the name has no address.
    """
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise InvalidSetting("HOST must be an address of this machine, or a name that has one.") from None
    return str(min(found, key=lambda each: each[0] != socket.AF_INET)[4][0])


def worker_name(suffix: str) -> str:
    """Name this process in the ledger: host, pid, and `suffix`, new at every start."""
    return f"{socket.gethostname()[:80]}.{os.getpid()}.{suffix}"


def _known(environment: Mapping[str, str], settings: type[HandlerSettings]) -> dict[str, str]:
    """The variables that are settings, without blanks around them; an empty one counts as not set."""
    given = {name: environment.get(name, "").strip(" \t\r") for name in settings.__struct_encode_fields__}
    for name, value in given.items():
        if not value.isascii() and not _is_text(value):
            raise InvalidSetting(f"{name} is not text in UTF-8.")
    return {name: value for name, value in given.items() if value}


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8
        return False
    return True


def _checked(known: Mapping[str, str], settings: type[Read]) -> Read:
    """Convert each value to the type of its field. Enumerated values may have any case.

    Raises:
        InvalidSetting: for the first variable that cannot be converted.
    """
    converted: dict[str, object] = {}
    hints = get_type_hints(settings, include_extras=True)
    for field in msgspec.structs.fields(settings):
        name, hint = field.encode_name, hints[field.name]
        if name not in known:
            continue
        try:
            value = converted[name] = msgspec.convert(_spelled(known[name], hint), hint, strict=False)
        except msgspec.ValidationError:
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidSetting(f"{name} must be {_description(hint)}.")
    return msgspec.convert(converted, settings)


def _spelled(value: str, hint: object) -> str:
    """Return an enumerated value in lower case, and a boolean as msgspec reads it."""
    if hint is bool:
        return SWITCHES.get(value.lower(), value)
    return value.lower() if get_origin(hint) is Literal else value


def _description(hint: Any) -> str:
    """Describe the values that a type allows: by its own description, its enumerated values or its bounds."""
    if hint is bool:
        return "true or false"
    if get_origin(hint) is Literal:
        return " or ".join(get_args(hint))
    limits = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Meta)), Meta())
    if limits.description:
        return limits.description
    bounds = {"at least": limits.ge, "more than": limits.gt, "at most": limits.le, "less than": limits.lt}
    said = " and ".join(f"{words} {bound:,.15g}" for words, bound in bounds.items() if bound is not None)
    kind = "a whole number" if getattr(hint, "__origin__", hint) is int else "a number"
    return f"{kind}, {said}".rstrip(", ")


def _check_addresses(known: dict[str, str]) -> None:
    """Check the addresses of both servers, and convert them to the form that their libraries expect."""
    from app.addresses import is_readable, postgres_url, redis_url  # noqa: PLC0415  # loads the drivers

    known["DATABASE_URL"] = postgres_url(known["DATABASE_URL"])
    known["REDIS_URL"] = redis_url(known["REDIS_URL"])
    if "REDIS_TLS_CA" in known and not is_readable(known["REDIS_TLS_CA"]):
        raise InvalidSetting("REDIS_TLS_CA names a file that is missing, or that this process may not read.")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())

"""Checks of DATABASE_URL and REDIS_URL at the start, with the libraries that will use them.

The error messages of these libraries quote the address, possibly with a part of the password, and are not passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import PGconn
from redis.connection import ConnectionPool, UnixDomainSocketConnection
from redis.exceptions import RedisError
from sqlalchemy import URL

from app.errors import InvalidSetting

POSTGRES_SCHEMES = {"postgres", "postgresql", "postgresql+psycopg"}
REDIS_SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
# The parameters of redis-py that change neither its replies nor the limits of this project.
REDIS_PARAMETERS = re.compile(r"db|username|password|client_name|ssl_[a-z_]+")
REDIS_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
POSTGRES_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
NOT_FILES = {"system"}  # a value of sslrootcert: the certificates of the operating system
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
MAX_PORT = 65_535
NO_SERVER = b"/nonexistent"  # a folder without a socket: libpq checks all parameters, then fails to connect
NO_CONNECTION = "connection to server on socket"
ENCODED = "characters of a password such as # / ? @ % [ and blanks must be percent-encoded, like %23 for #"
NUMBERS = ("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")


def postgres_url(address: str, name: str = "DATABASE_URL") -> str:
    """Return the address as SQLAlchemy's URL; several hosts, sockets and all parameters of libpq are allowed.

    Raises:
        InvalidSetting: naming the variable, never its value.
    """
    scheme, separator, rest = address.strip().partition("://")
    if not separator or scheme.lower() not in POSTGRES_SCHEMES:
        raise InvalidSetting(f"{name} must begin with postgres:// or postgresql://.")
    _require_printable(rest, name)
    try:
        parts = conninfo_to_dict(f"postgresql://{_with_joined_hosts(_encoded(rest))}")
    except psycopg.Error:
        raise InvalidSetting(f"{name} cannot be read: {ENCODED}.") from None
    places = list(_places(parts, name))
    if re.search("[@/#?]", _text(parts, "dbname") or ""):
        raise InvalidSetting(f"{name} names a database that has @ / # or ? in it: {ENCODED}.")
    _require_files(parts, POSTGRES_FILES, name)
    _require_parameters_of_libpq(parts, name)
    host, port = places[0] if len(places) == 1 and not places[0][0].startswith("/") else (None, None)
    query = {key: str(value) for key, value in parts.items() if key not in {"user", "password", "dbname"}}
    if host or not places:
        query = {key: value for key, value in query.items() if key not in {"host", "port"}}
    elif "port" in query:  # SQLAlchemy requires one for each host
        query["port"] = ",".join(str(port or "") for _, port in places)
    made = URL.create(
        "postgresql+psycopg",
        username=_text(parts, "user"),
        password=_text(parts, "password"),
        host=host or None,
        port=port,
        database=_text(parts, "dbname"),
        query=query,
    )
    return made.render_as_string(hide_password=False)


def redis_url(address: str, name: str = "REDIS_URL") -> str:
    """Return the address with a scheme that redis-py supports.

    Raises:
        InvalidSetting: naming the variable, never its value.
    """
    scheme, separator, rest = address.strip().partition("://")
    if not separator or scheme.lower() not in REDIS_SCHEMES:
        raise InvalidSetting(f"{name} must begin with redis://, rediss:// or unix://.")
    _require_printable(rest, name)
    address = f"{REDIS_SCHEMES[scheme.lower()]}://{rest}"
    try:
        parts = urlsplit(address)
        is_whole = parts.port != 0 and not parts.fragment
        asked = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        is_whole = False
    if not is_whole:
        raise InvalidSetting(f"{name} cannot be read: {ENCODED}.")
    if not all(REDIS_PARAMETERS.fullmatch(each) for each in asked):
        raise InvalidSetting(f"{name} has a parameter after ? that is not allowed there: {ENCODED}.")
    try:
        options = _redis_options(address)
    except (ValueError, TypeError, RedisError):
        raise InvalidSetting(f"{name} has a parameter after ? that redis-py refuses.") from None
    _require_redis_place(parts.scheme, parts.path, options, name)
    _require_files(options, REDIS_FILES, name)
    return address


def is_unix_socket(address: str) -> bool:
    """Return whether REDIS_URL names a Unix socket, for which options of TCP and TLS do not apply."""
    return address.startswith("unix://")


def _encoded(rest: str) -> str:
    """Encode in a user or password what libpq refuses and is unambiguous: blanks, and % that encodes nothing."""
    user, separator, place = rest.partition("@")
    if not separator or "/" in user:
        return rest
    return f"{re.sub('%(?![0-9A-Fa-f]{2})', '%25', user).replace(' ', '%20')}@{place}"


def _with_joined_hosts(rest: str) -> str:
    """Convert several hosts from SQLAlchemy's form to libpq's, `?host=a,b&port=1,2`."""
    place, _, query = rest.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    hosts = [value.rpartition(":") if ":" in value else (value, "", "") for name, value in pairs if name == "host"]
    if len(hosts) < 2:  # noqa: PLR2004
        return rest
    joined = [("host", ",".join(host for host, _, _ in hosts)), ("port", ",".join(port for _, _, port in hosts))]
    return f"{place}?{urlencode([*joined, *(each for each in pairs if each[0] not in {'host', 'port'})])}"


def _require_printable(address: str, name: str) -> None:
    if not address.isprintable():
        raise InvalidSetting(f"{name} contains a control character, such as a newline.")


def _places(parts: Mapping[str, Any], name: str) -> Iterator[tuple[str, int | None]]:
    """Yield each host, or directory of a Unix socket, with its port."""
    hosts, ports = _listed(parts, "host"), _listed(parts, "port")
    if len(ports) == 1:
        ports *= max(1, len(hosts))
    if len(ports) > len(hosts) > 0:
        raise InvalidSetting(f"{name} names more ports than hosts.")
    for host, port in zip_longest(hosts, ports, fillvalue=""):
        if host and not host.startswith("/") and not HOST.fullmatch(host):
            raise InvalidSetting(f"{name} names no host that can exist: {ENCODED}.")
        if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= MAX_PORT):
            raise InvalidSetting(f"{name} must name a port from 1 to {MAX_PORT}, or none: {ENCODED}.")
        yield host, int(port) if port else None


def _text(parts: Mapping[str, Any], key: str) -> str | None:
    return str(parts[key]) if key in parts else None


def _listed(parts: Mapping[str, Any], key: str) -> list[str]:
    value = _text(parts, key)
    return value.split(",") if value else []


def _require_files(parts: Mapping[str, Any], names: tuple[str, ...], variable: str) -> None:
    for each in names:
        file = parts.get(each)
        if file and file not in NOT_FILES and not is_readable(str(file)):
            raise InvalidSetting(f"{variable}: the file that {each} names is missing, or this process may not read it.")


def is_readable(path: str) -> bool:
    """Return whether this is a folder, or a file that this process may read."""
    try:
        if not Path(path).is_dir():
            Path(path).open("rb").close()
    except (OSError, ValueError):
        return False
    return True


def _require_parameters_of_libpq(parts: Mapping[str, Any], name: str) -> None:
    """Have libpq check the parameters, as it does before it connects. No server is contacted."""
    for each in NUMBERS:
        if not re.fullmatch("-?[0-9]{0,9}", str(parts.get(each, ""))):
            raise InvalidSetting(f"{name}: the parameter {each} must be a whole number.")
    checked = {key: value for key, value in parts.items() if key not in {"host", "hostaddr", "port", "service"}}
    words = b" ".join(_word(key, str(value)) for key, value in checked.items())
    tried = PGconn.connect_start(words + b" host=" + NO_SERVER)
    said = tried.error_message.decode(errors="replace")
    tried.finish()
    if said and NO_CONNECTION not in said:
        found = re.match(r"invalid (\w+) value", said)
        which = f"the parameter {found[1]}" if found and found[1] in parts else "a parameter"
        raise InvalidSetting(f"{name}: {which} has a value that Postgres' client library refuses.")


def _word(key: str, value: str) -> bytes:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'".encode()


def _redis_options(address: str) -> Mapping[str, Any]:
    """Return the options that redis-py reads from the address. A connection is created as in a pool, but not opened."""
    pool = ConnectionPool.from_url(address)
    pool.connection_class(**pool.connection_kwargs)
    options: dict[str, Any] = dict(pool.connection_kwargs)
    if pool.connection_class is UnixDomainSocketConnection:
        options["host"] = None
    return options


def _require_redis_place(scheme: str, path: str, options: Mapping[str, Any], name: str) -> None:
    if scheme == "unix":
        if not options.get("path"):
            raise InvalidSetting(f"{name} names no socket, as unix:///path/to/socket would.")
        return
    host = str(options.get("host") or "")
    if not host:
        raise InvalidSetting(f"{name} names no host: {ENCODED}.")
    if not HOST.fullmatch(host):
        raise InvalidSetting(f"{name} names no host that can exist: {ENCODED}.")
    if not re.fullmatch(r"/?|/[0-9]{1,5}", path, re.ASCII):
        raise InvalidSetting(f"{name} must end with the number of a database, like /0, or with none: {ENCODED}.")

"""Reasons why a server cannot be used, as fixed phrases.

The messages of drivers quote addresses, possibly with a part of a password that was not percent-encoded. They are never
logged.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg import errors
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from app.certificates import ask_for_fault, fault_of
from app.postgres_sessions import StandbyServer, UnsuitableServer

# Parts of messages of libpq that have no SQLSTATE, and their reasons. The first that matches is used.
LIBPQ = (
    ("does not match host name", "its certificate is for another name than that of the address"),
    ("certificate verify failed", "its certificate cannot be verified"),
    ("root certificate file", "no file of trusted certificates: sslrootcert in DATABASE_URL names one"),
    ("server does not support SSL", "it offers no TLS"),
    ("SSL", "TLS failed"),
    ("resolve host", "its host name has no address"),
    ("translate host name", "its host name has no address"),
    ("Connection refused", "nothing listens at its address"),
    ("No such file or directory", "there is no socket at its address"),
    ("password authentication failed", "it refuses the user or the password"),
    ("no password supplied", "it requires a password, and the address has none"),
    ("unsupported startup parameter", "a pooler refuses `options`: docs/operating.md, Behind PgBouncer"),
    ("too many", "all of its connections are taken"),
    ("remaining connection slots", "all of its connections are taken"),
    ("starting up", "it is starting"),
    ("shutting down", "it is shutting down"),
    ("in recovery mode", "it is recovering"),
    ("pg_hba.conf", "pg_hba.conf has no entry for this user, database and address"),
    ("session is read-only", "it is read-only"),
    ("session is not read-only", "it is not read-only"),
    ("server is in hot standby mode", "it is a standby"),
    ("timeout expired", "no answer in time"),
    ("does not exist", "it has no such database or role"),
    ("closed the connection unexpectedly", "it closed the connection"),
)
VERIFY = {"verify-ca", "verify-full"}


def reason_of(trouble: BaseException) -> str:
    """Return a phrase for the first known cause, otherwise the name of the error."""
    chain = list(_chain(trouble))
    for each in reversed(chain):
        if said := _known(each):
            return said
    return type(chain[-1]).__name__


def _chain(trouble: BaseException) -> Iterator[BaseException]:
    """Yield the error and its chain of causes."""
    cause: BaseException | None = trouble
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = (cause.orig if isinstance(cause, DBAPIError) else None) or cause.__cause__ or cause.__context__


def _known(error: BaseException) -> str | None:
    for kinds, said in SPECIAL:
        if isinstance(error, kinds):
            return said(error)
    return None


def _of_postgres(error: psycopg.Error) -> str:
    if error.sqlstate:
        return f"{type(error).__name__} ({error.sqlstate})"
    text = str(error)
    said = next((reason for words, reason in LIBPQ if words in text), type(error).__name__)
    return (_certificate_fault(error) or said) if "certificate verify failed" in text else said


def _certificate_fault(error: psycopg.Error) -> str | None:
    """Ask the server for its certificate, because libpq does not report the fault."""
    if not isinstance(error, errors.OperationalError) or error.pgconn is None:
        return None
    asked = {each.keyword: (each.val or b"").decode() for each in error.pgconn.info}
    host, port = asked.get(b"host", "").partition(",")[0], asked.get(b"port", "").partition(",")[0]
    mode, ca_file = asked.get(b"sslmode"), asked.get(b"sslrootcert")
    return ask_for_fault(host, int(port or "5432"), ca_file=ca_file, checks_name=mode == "verify-full", postgres=True)


def _of_redis(error: RedisError) -> str | None:
    """Return the error code of the reply of Redis, without the rest, which may quote the command."""
    code = str(error).partition(" ")[0]
    if isinstance(error, AuthenticationError):
        return "it refuses the user or the password"
    if isinstance(error, ResponseError) and code.isupper() and code.isalpha():
        return f"it answers {code}"
    return None


# The first match is used: some are subclasses of later ones.
SPECIAL: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[Any], str | None]], ...] = (
    (ssl.SSLCertVerificationError, fault_of),
    (ssl.SSLError, lambda error: f"TLS failed ({error.reason or type(error).__name__})"),
    (socket.gaierror, lambda _: "its host name has no address"),
    (ConnectionRefusedError, lambda _: "nothing listens at its address"),
    ((TimeoutError, PoolTimeout), lambda _: "no answer in time"),
    (OSError, lambda error: os.strerror(error.errno) if error.errno else None),
    (UnsuitableServer, lambda error: str(error).rstrip(".")),
    (StandbyServer, lambda _: "it is a standby"),
    (psycopg.Error, _of_postgres),
    (RedisError, _of_redis),
)

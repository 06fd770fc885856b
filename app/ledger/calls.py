"""Calls to Postgres: whether a call that failed had an effect, and whether it is repeated.

A call is repeated only if it cannot take effect twice. After a serialization failure or a deadlock, Postgres has rolled
it back. If the session has ended, or its server cannot write, the call is repeated once on a new connection: always if
nothing was done, otherwise only if it reads or is idempotent. A connection that cannot be opened is not tried again
here, because the loops and the clients do that.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError, InvalidRequestError, TimeoutError as PoolTimeout

from app.errors import LedgerReadOnly, LedgerUnavailable, LedgerUnchanged, StatementRejected, TablesMissing
from app.ledger.watchdog import CircuitOpen, connected
from app.postgres_sessions import SESSION, StandbyServer, UnsuitableServer, refuses_options

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Answer = TypeVar("Answer")

ERRORS = (DBAPIError, psycopg.Error, PoolTimeout, InvalidRequestError)

# SQLSTATEs and their classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
NO_SUCH_TABLE = "42P01"
ABOUT_VALUES = {"22", "23", "54"}  # data, constraints, too large or too deep
ROLLED_BACK = {"40001", "40P01"}  # serialization failure, deadlock
READ_ONLY = "25006"
ENDED_BY_SERVER = {"57P01", "57P02", "57P05"}  # even while the session is being opened
ENDED_WHILE_IDLE = {"57P05", "25P03"}  # idle_session_timeout, idle_in_transaction_session_timeout
# A prepared statement does not exist, exists already or had other columns before a migration, or another client of a
# shared session left a failed transaction. Only a new session helps.
STALE = {"26000", "42P05", "0A000", "25P02"}
# After an ERROR the statement is rolled back. After a FATAL error it may have been committed before the session ended.
# Poolers send errors of the first three classes when they have lost the server.
UNCERTAIN = ("08", "58", "XX", "40003")
REPEATS_AFTER_ROLLBACK = 5
MAX_PAUSE_S = 0.02
JITTER = random.Random()  # noqa: S311  # no secret; tests may seed the global generator


class Effect(Enum):
    """The effect of repeating a call: it only reads; it changes nothing more; it may act twice or lose its answer."""

    READ = "read"
    IDEMPOTENT = "idempotent"
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The classification of an error: the exception for it, and whether a repetition may succeed."""

    refusal: type[StatementRejected | LedgerUnavailable]
    is_rolled_back: bool = False
    has_ended: bool = False  # the session, or its server's ability to write

    def to_raise(self, effect: Effect, *, is_unknown: bool, text: str) -> Exception:
        """Return the exception for the caller. Only after a write does it state that nothing was done."""
        if issubclass(self.refusal, StatementRejected):
            return StatementRejected(text)
        is_known = self.refusal is TablesMissing or (effect is not Effect.READ and not is_unknown)
        return self.refusal() if is_known else LedgerUnavailable()


def call(engine: Engine, act: Callable[[Connection], Answer], effect: Effect) -> Answer:
    """Run `act` on a connection and return its answer.

    Raises:
        StatementRejected: Postgres refused the values; it did nothing.
        TablesMissing: the database was never migrated, or the search_path names another schema.
        LedgerUnchanged: nothing was done. Only for calls that write: before a read, the same request may have written.
        LedgerUnavailable: it is unknown whether Postgres acted.
    """
    rollbacks, is_repeated, is_unknown = 0, False, False
    while True:
        is_sent = False
        try:
            with connected(engine) as connection:
                is_sent, session = True, connection.info.get(SESSION)
                try:
                    return act(connection)
                except ERRORS as trouble:
                    if session and judge(trouble, is_sent=True).has_ended:
                        session.end_all(type(said_by(trouble)).__name__)
                        connection.invalidate()
                    raise
        except (*ERRORS, CircuitOpen) as trouble:
            if is_sent and isinstance(trouble, InvalidRequestError):
                raise  # a bug; before a connection is lent, it means that sessions end as fast as they are opened
            verdict, cause = judge(trouble, is_sent=is_sent), trouble
        is_unknown |= verdict.refusal is LedgerUnavailable
        if verdict.is_rolled_back and rollbacks < REPEATS_AFTER_ROLLBACK:
            rollbacks += 1
            time.sleep(JITTER.uniform(0, MAX_PAUSE_S))
        elif verdict.has_ended and not is_repeated and not (is_unknown and effect is Effect.ONCE):
            is_repeated = True
        else:
            raise verdict.to_raise(effect, is_unknown=is_unknown, text=str(said_by(cause))) from cause


def judge(trouble: Exception, *, is_sent: bool) -> Verdict:
    """Classify an error. `is_sent`: a connection was open, so the statement may have been sent."""
    said: Any = said_by(trouble)
    state: str = getattr(said, "sqlstate", None) or ""
    if isinstance(said, psycopg.DataError) or state[:2] in ABOUT_VALUES:
        return Verdict(StatementRejected)
    if state == NO_SUCH_TABLE:
        return Verdict(TablesMissing)
    if not is_sent:
        refusal = LedgerReadOnly if isinstance(said, StandbyServer) else LedgerUnchanged
        return Verdict(refusal, has_ended=refuses_options(said) or state in ENDED_BY_SERVER)
    if state == READ_ONLY:
        return Verdict(LedgerReadOnly, has_ended=True)
    severity = getattr(getattr(said, "diag", None), "severity_nonlocalized", None)
    if severity == "ERROR" and not state.startswith(UNCERTAIN):
        return Verdict(LedgerUnchanged, is_rolled_back=state in ROLLED_BACK, has_ended=state in STALE)
    return Verdict(LedgerUnchanged if state in ENDED_WHILE_IDLE else LedgerUnavailable, has_ended=True)


def said_by(trouble: BaseException) -> BaseException:
    """Return the error of the driver."""
    return getattr(trouble, "orig", None) or trouble


def is_unsuitable(unavailable: LedgerUnavailable) -> bool:
    """Return whether Postgres answers, but must be upgraded, or the database replaced."""
    return isinstance(said_by(unavailable.__cause__ or unavailable), UnsuitableServer)


def sentence(unavailable: LedgerUnavailable) -> str:
    """Return a sentence with the reason why Postgres cannot be used, without addresses."""
    if isinstance(unavailable, TablesMissing):
        return unavailable.detail
    return reason(unavailable) if is_unsuitable(unavailable) else f"Postgres {reason(unavailable)}."


def reason(unavailable: LedgerUnavailable) -> str:
    """Return why Postgres cannot be used, without addresses: the predicate of a sentence, or a sentence."""
    said: Any = said_by(unavailable.__cause__ or unavailable)
    if isinstance(said, UnsuitableServer):
        return str(said)
    if isinstance(said, StandbyServer) or getattr(said, "sqlstate", None) == READ_ONLY:
        return "is read-only"
    return "does not answer"

"""Every refusal by name; the docstring is the message.

`app/api/errors.py` has the table of their HTTP status codes.
"""

from __future__ import annotations

from typing import Any

from punctual.errors import BadTaskType as BadTaskType  # noqa: PLC0414  # raised by declarations, caught with the others


class Refusal(Exception):
    """The request was refused."""

    def __init__(self, detail: str | None = None, **details: Any) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.details = details
        super().__init__(self.detail)


class InvalidInput(Refusal):
    """The request is invalid; `details.fields` names each fault."""


class TaskNotFound(Refusal):
    """There is no task with this id."""


class TaskDeleted(Refusal):
    """This task was deleted before it ran, and will never run."""


class TaskNotDeletable(Refusal):
    """Only a scheduled task that has never started can be deleted."""


class TaskNotCancellable(Refusal):
    """This task has ended, so it cannot be cancelled."""


class TaskNotClaimable(Refusal):
    """This task cannot be claimed now."""


class ClaimLost(Refusal):
    """The claim token is wrong, or the claim was taken away after its lease had expired."""


class LedgerUnavailable(Refusal):
    """Postgres did not answer. Reads and deletions may be repeated; any other request may have taken effect."""


class LedgerUnchanged(LedgerUnavailable):
    """Postgres cannot do this now. Nothing was done: repeat the request in a moment."""


class LedgerReadOnly(LedgerUnchanged):
    """Postgres is read-only, as during a failover. Nothing was done: repeat the request in a moment."""


class TablesMissing(LedgerUnchanged):
    """Postgres has no tables of Punctual: run the migrations, or set DATABASE_SCHEMA. Nothing was done."""


class NotJson(Refusal):
    """The body is not JSON (RFC 8259) in UTF-8."""


class BodyCutOff(Refusal):
    """The body ended before its `Content-Length`."""


class BodyTooSlow(Refusal):
    """The body did not arrive within ten seconds, or sooner if many are slow. Nothing was done."""


class UnsupportedMedia(Refusal):
    """Send JSON with `Content-Type: application/json`, and without `Content-Encoding`."""


class ResultTooLarge(Refusal):
    """A result is at most 256 KiB of JSON. The claim is still valid: send a smaller result."""


class NotReady(Refusal):
    """This process is not ready; `details` names what is missing."""


class Unauthenticated(Refusal):
    """The API key is missing, unknown, expired or revoked. Send it as `Authorization: Bearer <API key>`."""


class ScopeMissing(Refusal):
    """The API key lacks the scope for this request; `details.needed` names it."""


class ForgedRequest(Refusal):
    """A browser sent this without the CSRF token of the page, or from another site. Nothing was changed."""


class TooManyRequests(Refusal):
    """The API key has made too many requests in this minute; `Retry-After` is the number of seconds to wait."""


class TooManyWaiting(Refusal):
    """Too many requests are waiting in this process. Nothing was claimed: try again later, or omit `wait_s`."""


class TooBusy(Refusal):
    """Too many large requests at once. Nothing was done: try again after `Retry-After`."""


class TooManyPending(Refusal):
    """The API key has reached its limit of scheduled tasks: wait until some have run, or delete some."""


class ReadOnly(Refusal):
    """These pages are read-only."""


class BrokerUnavailable(Refusal):
    """Redis does not answer. No task is lost: Postgres stores them."""


class StatementRejected(Exception):
    """Postgres refused a statement for its values. Nothing was done. Every caller handles it."""


class InvalidSetting(Exception):
    """An environment variable is missing or has a value that cannot be used."""


class KeyNotFound(Exception):
    """There is no API key with this id."""


class TooManyKeys(Exception):
    """There are as many valid API keys as a web process looks at: revoke some first."""

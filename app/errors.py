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
    """Something in the request is not as the documentation says."""


class TaskNotFound(Refusal):
    """There is no task with this id."""


class TaskDeleted(Refusal):
    """This task was deleted before it ran; it never will."""


class TaskNotDeletable(Refusal):
    """Only a scheduled task whose code has never begun can be deleted."""


class TaskNotCancellable(Refusal):
    """This task is over: there is nothing left to cancel."""


class TaskNotClaimable(Refusal):
    """This task cannot be claimed now."""


class ClaimLost(Refusal):
    """The claim token is wrong, or its lease has expired."""


class LedgerUnavailable(Refusal):
    """Postgres does not answer. Whether the request was carried out is not known: look before you repeat it."""


class NotJson(Refusal):
    """The body is not JSON (RFC 8259) in UTF-8."""


class BodyCutOff(Refusal):
    """The body ended before its `Content-Length`."""


class BodyTooSlow(Refusal):
    """The body did not arrive in time: within ten seconds, less when many are late. Nothing was done."""


class UnsupportedMedia(Refusal):
    """Send `Content-Type: application/json`, and no `Content-Encoding`."""


class ResultTooLarge(Refusal):
    """A result holds at most 256 KiB of JSON. The claim is kept: hand in a smaller one."""


class NotReady(Refusal):
    """This process cannot serve yet; the details name what is missing."""


class Unauthenticated(Refusal):
    """Send `Authorization: Bearer <API key>`. None came, or one that is unknown, expired or revoked."""


class ScopeMissing(Refusal):
    """The API key is not allowed to do this; `details.needed` names the scope that is."""


class ForgedRequest(Refusal):
    """A browser sent this without the page's token, or from another site's page: nothing was changed."""


class TooManyRequests(Refusal):
    """More requests in a minute than this key may make; `Retry-After` says when the next minute begins."""


class TooBusy(Refusal):
    """Too many large requests at once. Nothing was done: try again in a moment."""


class TooManyPending(Refusal):
    """This key has as many scheduled tasks as it may have: wait for some to run, or delete some."""


class ReadOnly(Refusal):
    """These pages only show; nothing can be changed through them."""


class BrokerUnavailable(Refusal):
    """Redis does not answer. Tasks are safe: the truth is in Postgres."""


class StatementRejected(Exception):
    """Postgres refused a statement for its values, or has no such table. Nothing was done. Every caller handles it."""


class InvalidSetting(Exception):
    """An environment variable is missing or has a value that cannot be used."""


class KeyNotFound(Exception):
    """There is no API key with this id."""


class TooManyKeys(Exception):
    """There are as many valid API keys as a web process looks at: revoke some first."""

"""Refuses changes that a browser was made to send by somebody else's page."""

from __future__ import annotations

import secrets

from flask import request

from app.api.access.sessions import session_token
from app.errors import ForgedRequest

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FIELD, HEADER = "csrf_token", "X-CSRF-Token"
MOST_FORM_BYTES = 64 * 1024
FORM = "application/x-www-form-urlencoded"


def refuse_forged() -> None:
    """A change made by cookie: from a page of ours, and with the token of the session.

    Raises:
        ForgedRequest
    """
    refuse_foreign()
    token = session_token()
    if not token or not secrets.compare_digest(_sent_token().encode(), token.encode()):
        raise ForgedRequest


def refuse_foreign() -> None:
    """A form that needs no session, as the one to sign in: from a page of ours.

    Browsers say where a request comes from; what says nothing is refused, too. Only the host is compared: whether it
    was https is known to a proxy, perhaps, and not to us.

    Raises:
        ForgedRequest
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin", "").partition("://")[2]
    if site != "same-origin" if site else origin != request.host:
        raise ForgedRequest


def _sent_token() -> str:
    if HEADER in request.headers:
        return request.headers[HEADER]
    return form_field(FIELD)


def form_field(name: str) -> str:
    """One field of a form; empty if there is no such field, or no form. Large ones are refused unread."""
    request.max_content_length = MOST_FORM_BYTES
    return request.form.get(name, "") if request.mimetype == FORM else ""

"""Lets a request in, or says why not: which key, which scope, and no change by a foreign page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import redirect, request

from app.api.access.bearer import sent_secret
from app.api.access.caller import Caller, set_caller
from app.api.access.forgery import SAFE_METHODS, refuse_forged
from app.api.access.next_page import sign_in_url
from app.api.access.scopes import is_page
from app.api.access.sessions import end_session, session_key_id
from app.api_key import Scope, digest
from app.errors import ScopeMissing, Unauthenticated

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from app.api.access.key_ring import KeyRing
    from app.api.access.scopes import Scopes

CHANGES_BY_COOKIE = Scope.ADMIN


class Gate:
    """Runs before every request where keys are needed."""

    def __init__(self, keys: KeyRing, scopes: Scopes) -> None:
        self._keys = keys
        self._scopes = scopes

    def admit(self) -> Response | None:
        """None: go on. A path that leads nowhere is told to holders of a key only.

        Raises:
            Unauthenticated, ScopeMissing, ForgedRequest.
            LedgerAway: it cannot be known whether the key is valid.
        """
        needed = self._scopes.of(request.endpoint) if request.endpoint else None
        if request.endpoint and needed is None:
            return None
        found = self._identify()
        if found is None:
            if _is_navigation():
                return redirect(sign_in_url(), 303)
            raise Unauthenticated
        set_caller(found)
        if found.by_cookie and request.method not in SAFE_METHODS:
            refuse_forged()
            needed = needed and CHANGES_BY_COOKIE
        if needed and not found.key.allows(needed):
            raise ScopeMissing(needed=needed, scopes=sorted(found.key.scopes))
        return None

    def _identify(self) -> Caller | None:
        """A key that was sent counts alone, even if it is a wrong one and there is a session."""
        secret = sent_secret()
        if secret is not None:
            hashed = digest(secret)
            key = self._keys.find(hashed) if hashed else None
            return Caller(key) if key else None
        key_id = session_key_id()
        key = self._keys.with_id(key_id) if key_id else None
        if key_id and not key:
            end_session()  # revoked, or expired
        return Caller(key, by_cookie=True) if key else None


def _is_navigation() -> bool:
    """A person who opens a page, rather than a program or a script of a page."""
    return request.method == "GET" and is_page(request.path) and "text/html" in request.headers.get("Accept", "")

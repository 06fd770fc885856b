"""Admits or refuses a request by its key and scope. Refuses changes that a page of another site sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from flask import g, redirect, request

from app.api.auth.sessions import SAFE_METHODS, end_session, refuse_forged, session_key_id, sign_in_url
from app.api_key import Scope, digest
from app.errors import ScopeMissing, Unauthenticated

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from app.api.auth.key_ring import KeyRing
    from app.api.openapi.resource import Resource
    from app.api_key import ApiKey

# By endpoint; an alias of a path has the same endpoint.
PUBLIC = frozenset(
    {
        "openapi",
        "static",
        "pages.docs",
        "pages.favicon",
        "pages.problem",
        "pages.problems",
        "sign_in.form",
        "sign_in.enter",
        "sign_in.leave",
    }
)
# By blueprint. A browser without a session that opens one of these pages is redirected to the page to sign in.
PAGES = {"rq_dashboard": Scope.READ}
PAGE_PATHS = ("/rq",)
UNDECLARED = Scope.ADMIN
SCOPE_OF_CHANGES_BY_COOKIE = Scope.ADMIN


@dataclass(frozen=True, slots=True)
class Caller:
    """The valid key of a request. `by_cookie`: the request has a session cookie instead of the key."""

    key: ApiKey
    by_cookie: bool = False


def caller_key() -> ApiKey | None:
    """Return the key of this request; None where no key is needed."""
    caller: Caller | None = g.get("caller")
    return caller.key if caller else None


def caller_id() -> UUID | None:
    """Return the id of the caller's key, for the rows and log lines of this request."""
    key = caller_key()
    return key.id if key else None


def key_from(secret: str, find: Callable[[bytes], ApiKey | None]) -> ApiKey | None:
    """Return the key with this secret; `find` looks its digest up (`KeyRing.find` or `KeyRing.known`)."""
    hashed = digest(secret)
    return find(hashed) if hashed else None


def bearer_secret(credentials: str) -> str:
    """Return the secret of an `Authorization: Bearer` header; empty for another kind of credentials."""
    scheme, _, secret = credentials.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


class Scopes:
    """The scope of every endpoint; a route without a declaration needs `admin`."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        declared: dict[str, Scope | None] = dict.fromkeys(PUBLIC)
        for resource in resources:
            declared |= {endpoint: operation.scope for endpoint, operation in resource.operations.items()}
        self.declared: Mapping[str, Scope | None] = declared

    def of(self, endpoint: str) -> Scope | None:
        """Return the scope of an endpoint; None if it is public."""
        if endpoint in self.declared:
            return self.declared[endpoint]
        return PAGES.get(endpoint.partition(".")[0], UNDECLARED)


class Gate:
    """The hook that runs before every request where keys are needed."""

    def __init__(self, keys: KeyRing, scopes: Scopes) -> None:
        self._keys = keys
        self._scopes = scopes

    def admit(self) -> Response | None:
        """Return None to go on, or a redirect to the page to sign in.

        An unknown path is answered with 404 only to the holder of a key.

        Raises:
            Unauthenticated, ScopeMissing, ForgedRequest.
            LedgerUnavailable: it is unknown whether the key is valid.
        """
        needed = self._scopes.of(request.endpoint) if request.endpoint else None
        if request.endpoint and needed is None:
            return None
        caller = self._identify()
        if caller is None:
            if _is_navigation():
                return redirect(sign_in_url(), 303)
            raise Unauthenticated
        g.caller = caller
        if caller.by_cookie and request.method not in SAFE_METHODS:
            refuse_forged()
            needed = needed and SCOPE_OF_CHANGES_BY_COOKIE
        if needed and not caller.key.allows(needed):
            raise ScopeMissing(needed=needed, scopes=sorted(caller.key.scopes))
        return None

    def _identify(self) -> Caller | None:
        """Return the caller. If the header is present, it alone decides, so a session does not replace a wrong key."""
        credentials = request.headers.get("Authorization")
        if credentials is not None:
            key = key_from(bearer_secret(credentials), self._keys.find)
            return Caller(key) if key else None
        key_id = session_key_id()
        key = self._keys.with_id(key_id) if key_id else None
        if key_id and not key:
            end_session()  # revoked or expired
        return Caller(key, by_cookie=True) if key else None


def _is_navigation() -> bool:
    """Return whether a browser opens a page, as opposed to a program or a script of a page."""
    return request.method == "GET" and _is_page(request.path) and "text/html" in request.headers.get("Accept", "")


def _is_page(path: str) -> bool:
    """Return whether a path leads to a page that people open in a browser."""
    return any(path == page or path.startswith(f"{page}/") for page in PAGE_PATHS)

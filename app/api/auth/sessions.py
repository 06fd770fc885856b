"""Sessions of browsers: a signed cookie that names a key (never its secret) for twelve hours, and CSRF protection."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

from flask import request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app.errors import ForgedRequest

if TYPE_CHECKING:
    from flask import Flask, Request, Response
    from flask.sessions import SessionMixin

    from app.api_key import ApiKey
    from app.config import Settings

LIFETIME = timedelta(hours=12)
KEY, TOKEN = "key", "token"

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN_FIELD, TOKEN_HEADER = "csrf_token", "X-CSRF-Token"
MAX_FORM_BYTES = 64 * 1024
FORM = "application/x-www-form-urlencoded"

HOME = "/rq/"
# One slash, because `//host` is another site. No backslash or control character, because browsers may turn `/\` into
# `//`.
OWN_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,500}")


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions, with a cookie that is Secure if the request was, and no cost for requests without a cookie."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Verify the cookie, if there is one."""
        return super().open_session(app, request) if "Cookie" in request.headers else SecureCookieSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Save the session if it was accessed; otherwise it did not change."""
        if session.accessed:
            super().save_session(app, session, response)

    def get_cookie_path(self, app: Flask) -> str:
        """Return the path prefix of the service, so that the cookie is not sent to other parts of the site."""
        return request.script_root or super().get_cookie_path(app)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return True in production, where a proxy may end https, and for requests over https."""
        return super().get_cookie_secure(app) or request.is_secure


def configure_sessions(app: Flask, settings: Settings) -> None:
    """Sign cookies with SECRET_KEY. Without keys there are no sessions.

    Raises:
        InvalidSetting: SECRET_KEY is not set in production, where several processes must agree on it.
    """
    if not settings.demands_keys:
        return
    settings.require_secret()
    app.secret_key = settings.secret_key or secrets.token_urlsafe(32)
    app.session_interface = Sessions()
    app.permanent_session_lifetime = LIFETIME
    app.config |= {
        "SESSION_COOKIE_NAME": "punctual",
        "SESSION_COOKIE_SECURE": settings.app_env == "production",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,  # twelve hours from signing in, not from the last request
    }


def begin_session(key: ApiKey) -> None:
    """Replace the session of this browser by a new one."""
    session.clear()
    session.permanent = True
    session[KEY], session[TOKEN] = str(key.id), secrets.token_urlsafe(32)


def end_session() -> None:
    """Clear the session and its cookie."""
    session.clear()


def session_key_id() -> UUID | None:
    """Return the id of the key of this session; None without a session."""
    found = session.get(KEY)
    return UUID(found) if found else None


def session_token() -> str:
    """Return the CSRF token that a change made in this session must carry; empty without a session."""
    return str(session.get(TOKEN, ""))


def refuse_forged() -> None:
    """Check a change made by cookie: it must come from a page of ours and carry the token of the session.

    Raises:
        ForgedRequest
    """
    refuse_cross_site()
    token = session_token()
    sent = request.headers[TOKEN_HEADER] if TOKEN_HEADER in request.headers else form_field(TOKEN_FIELD)
    if not token or not secrets.compare_digest(sent.encode(), token.encode()):
        raise ForgedRequest


def refuse_cross_site() -> None:
    """Check a form that needs no session, such as the one to sign in: it must come from a page of ours.

    Browsers send Sec-Fetch-Site, older ones Origin; a request with neither is refused. Only the host of Origin is
    compared, because only a proxy may know whether the page was loaded by https.

    Raises:
        ForgedRequest
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin", "").partition("://")[2]
    if site != "same-origin" if site else origin != request.host:
        raise ForgedRequest


def form_field(name: str) -> str:
    """Return one field of a form; empty if there is no such field or no form. A large form is refused unread."""
    request.max_content_length = MAX_FORM_BYTES
    return request.form.get(name, "") if request.mimetype == FORM else ""


def sign_in_url() -> str:
    """Return the URL of the page to sign in, which leads back to this request."""
    here = request.script_root + request.full_path.rstrip("?")
    return f"{request.script_root}/sign-in?next={quote(here, safe='/')}"


def next_page(wanted: str, prefix: str = "") -> str:
    """Return where to go after signing in: `wanted` if it is a path of this site, otherwise HOME below the prefix."""
    return wanted if OWN_PATH.fullmatch(wanted) else prefix + HOME

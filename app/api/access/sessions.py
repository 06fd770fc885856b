"""A browser's session: a signed cookie that names a key, never the key's secret, for twelve hours."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from flask import request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app.errors import BadSetting

if TYPE_CHECKING:
    from flask import Flask, Request, Response
    from flask.sessions import SessionMixin

    from app.api_key import ApiKey
    from app.config import Settings

LIFETIME = timedelta(hours=12)
KEY, TOKEN = "key", "token"


class Sessions(SecureCookieSessionInterface):
    """Flask's own, with a cookie that is Secure wherever the request was; free of charge for programs with a key."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Without a cookie there is nothing to verify."""
        return super().open_session(app, request) if "Cookie" in request.headers else SecureCookieSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """What nobody looked at did not change."""
        if session.accessed:
            super().save_session(app, session, response)

    def get_cookie_secure(self, app: Flask) -> bool:
        """In production always: there https ends at a proxy, perhaps."""
        return super().get_cookie_secure(app) or request.is_secure


def keep_sessions(app: Flask, settings: Settings) -> None:
    """Sign cookies with SECRET_KEY. Where no key is needed there are no sessions.

    Raises:
        BadSetting: it is not set in production, where several processes must agree on it.
    """
    if not settings.demands_keys:
        return
    if settings.app_env == "production" and not settings.secret_key:
        raise BadSetting(
            "SECRET_KEY is not set. Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    app.secret_key = settings.secret_key or secrets.token_urlsafe(32)
    app.session_interface = Sessions()
    app.permanent_session_lifetime = LIFETIME
    app.config |= {
        "SESSION_COOKIE_NAME": "punctual",
        "SESSION_COOKIE_SECURE": settings.app_env == "production",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,  # twelve hours from signing in, not from the last click
    }


def begin_session(key: ApiKey) -> None:
    """A new session, whatever there was before."""
    session.clear()
    session.permanent = True
    session[KEY], session[TOKEN] = str(key.id), secrets.token_urlsafe(32)


def end_session() -> None:
    """Forget it, and have the browser forget it."""
    session.clear()


def session_key_id() -> UUID | None:
    """The id of the key that this session stands for, if there is a session."""
    found = session.get(KEY)
    return UUID(found) if found else None


def session_token() -> str:
    """What a change made in this session must carry; empty without a session."""
    return str(session.get(TOKEN, ""))

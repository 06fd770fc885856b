"""Authentication and limits: API keys, sessions, the scope of each route, requests per minute, scheduled tasks per key.

`control_access` registers the hooks that every request passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.auth.gate import Gate
from app.api.auth.limits import RequestRate
from app.api.auth.sessions import configure_sessions

if TYPE_CHECKING:
    from flask import Flask

    from app.api.auth.gate import Scopes
    from app.api.services import Services


def control_access(app: Flask, services: Services, scopes: Scopes) -> None:
    """Register the hooks: none where no key is needed and no limit is set. No server is contacted yet.

    Raises:
        InvalidSetting: as `configure_sessions`.
    """
    settings = services.settings
    configure_sessions(app, settings)
    if settings.demands_keys:
        app.before_request(Gate(services.keys, scopes).admit)
    if settings.requests_per_minute:
        rate = RequestRate(services.minutes, scopes, per_minute=settings.requests_per_minute)
        app.before_request(rate.count)
        app.after_request(rate.add_headers)

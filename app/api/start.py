"""The start of a web process: refuses where nobody could get in, says who can."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import structlog

from app.api.application import create_app
from app.api.services import KEY
from app.errors import BadSetting, BadTaskType, LedgerAway
from app.ledger import keys

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Engine
    from structlog.typing import FilteringBoundLogger as BoundLogger

    from app.config import Settings

NO_KEYS = (
    "there are no API keys, and APP_ENV=production asks everybody for one. Make the first: "
    "`python -m app keys create NAME --scope admin`. Or let everybody in: AUTH=off."
)


def serve() -> Flask:
    """The application of a web process, for `app.api.front` to call.

    Settings that cannot be used, and production without keys, end the process with code 1 and a line that says why.
    """
    log = structlog.get_logger()
    try:
        app = create_app()
        settings: Settings = app.extensions[KEY].settings
        if settings.demands_keys:
            look_for_keys(app.extensions[KEY].engine, settings, log)
    except (BadSetting, BadTaskType) as wrong:
        sys.exit(f"The web process does not start: {wrong}")
    log.info("web_started", keys="needed" if settings.demands_keys else why_none(settings))
    return app


def look_for_keys(engine: Engine, settings: Settings, log: BoundLogger) -> None:
    """See that there is a key. While Postgres is away that is not known: the process starts, and lets nobody in.

    Raises:
        BadSetting: production without keys.
    """
    try:
        found = keys.valid(engine)
    except LedgerAway:
        log.warning("keys_not_seen")
        return
    if not found and settings.app_env == "production":
        engine.dispose()
        raise BadSetting(NO_KEYS)
    if not found:
        log.warning("no_keys", remedy="python -m app keys create NAME --scope admin")


def why_none(settings: Settings) -> str:
    """Why no key is needed."""
    return "not needed: AUTH=off" if settings.auth == "off" else "not needed: development on loopback"

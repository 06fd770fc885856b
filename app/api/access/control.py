"""Puts the parts of access control together, and before every request what is needed of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from flask import current_app

from app.api.access.gate import Gate
from app.api.access.key_ring import KeyRing
from app.api.access.pending import Pending
from app.api.access.request_rate import RequestRate
from app.api.access.scopes import Scopes
from app.api.access.sessions import keep_sessions
from app.broker.minute_counts import MinuteCounts
from app.ledger import keys as ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask
    from redis import Redis
    from sqlalchemy import Engine

    from app.api.openapi.resource import Resource
    from app.config import Settings

KEY = "punctual-access"


@dataclass(frozen=True, slots=True)
class Access:
    """`needed`: whether requests need a key. `minutes` counts attempts to sign in, and requests if they are limited."""

    needed: bool
    keys: KeyRing
    pending: Pending
    minutes: MinuteCounts


def control_access(app: Flask, settings: Settings, engine: Engine, redis: Redis, resources: Iterable[Resource]) -> None:
    """Register the hooks; none where no key is needed and no limit is set. Nobody is asked yet.

    Raises:
        BadSetting: as `keep_sessions`.
    """
    scopes, minutes = Scopes(resources), MinuteCounts(redis)
    keys = KeyRing(partial(ledger.valid, engine))
    app.extensions[KEY] = Access(settings.demands_keys, keys, Pending(partial(ledger.pending, engine)), minutes)
    keep_sessions(app, settings)
    if settings.demands_keys:
        app.before_request(Gate(keys, scopes).admit)
    if settings.requests_per_minute:
        rate = RequestRate(minutes, scopes, per_minute=settings.requests_per_minute)
        app.before_request(rate.count)
        app.after_request(rate.tell)


def access() -> Access:
    """The access control of the application that serves this request."""
    found: Access = current_app.extensions[KEY]
    return found

"""The parts of the application that views and pages use, made once by `create_app`."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app

if TYPE_CHECKING:
    from flask import Flask
    from redis import Redis
    from sqlalchemy import Engine

    from app.api.auth.key_ring import KeyRing
    from app.api.auth.limits import MinuteCounts, PendingLimit
    from app.api.single_flight import Check
    from app.api.statistics import Statistics
    from app.config import Settings
    from app.creator import TaskCreator
    from app.operations import Operations
    from app.task_types import TaskTypes

EXTENSION = "punctual"


@dataclass(frozen=True, slots=True)
class Services:
    """One per application.

    `minutes` counts attempts to sign in, and requests where they are limited. `checks` are the questions of `/ready`.
    `stopping` is set when this process receives a stop signal; long polls wait on it.
    """

    settings: Settings
    types: TaskTypes
    engine: Engine
    redis: Redis
    operations: Operations
    creator: TaskCreator
    keys: KeyRing
    pending: PendingLimit
    minutes: MinuteCounts
    checks: tuple[Check[str], ...]
    statistics: Statistics
    stopping: threading.Event


def services() -> Services:
    """Return the services of the application that serves this request."""
    return services_of(current_app)


def services_of(app: Flask) -> Services:
    """Return the services of an application."""
    found: Services = app.extensions[EXTENSION]
    return found

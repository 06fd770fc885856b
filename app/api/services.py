"""What the views work with: the parts of the application, made once by the factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app

if TYPE_CHECKING:
    import threading

    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.creator import TaskCreator
    from app.operations import Operations
    from app.task_types import TaskTypes

KEY = "punctual"


@dataclass(frozen=True, slots=True)
class Services:
    """`stopping.wait` pauses, and tells whether this process should end: whoever waits, answers."""

    settings: Settings
    types: TaskTypes
    engine: Engine
    redis: Redis
    operations: Operations
    creator: TaskCreator
    stopping: threading.Event


def services() -> Services:
    """The parts of the application that serves this request."""
    found: Services = current_app.extensions[KEY]
    return found

"""The task types of the running release, for commands that do not import the modules of handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.broker.keys import TYPES
from app.task_types import TaskType, TaskTypes
from punctual import types as declarations

if TYPE_CHECKING:
    from redis import Redis


class KnownType(msgspec.Struct, array_like=True, frozen=True):
    """The properties of a task type that commands need."""

    name: str
    queue: str
    external: bool


_decode = msgspec.json.Decoder(list[KnownType]).decode


def put_types(redis: Redis, types: TaskTypes) -> None:
    """Publish the types of this process."""
    redis.set(TYPES, msgspec.json.encode([KnownType(each.name, each.queue, each.external) for each in types]))


def get_types(redis: Redis) -> TaskTypes | None:
    """Return the types that were published last, without handlers; None if there are none or they cannot be read."""
    published: Any = redis.get(TYPES)
    try:
        known = _decode(published or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return TaskTypes(
        TaskType(name=each.name, handler=None, queue=each.queue, external=each.external)
        for each in known
        if declarations.is_name(each.name)
    )

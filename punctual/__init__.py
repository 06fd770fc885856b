"""Declarations of task types: the handler, its payload and limits, and what its process opens."""

from punctual.errors import BadTaskType
from punctual.handler import Context
from punctual.lifespans import lifespan
from punctual.types import task

__all__ = ["BadTaskType", "Context", "lifespan", "task"]

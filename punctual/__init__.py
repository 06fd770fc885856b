"""Declare task types: a function, what it takes, its limits, and what its process opens."""

from punctual.errors import BadTaskType
from punctual.handler import Context
from punctual.lifespans import lifespan
from punctual.types import task

__all__ = ["BadTaskType", "Context", "lifespan", "task"]

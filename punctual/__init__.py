"""Declare task types: a function, what it takes, and its limits."""

from punctual.errors import BadTaskType
from punctual.handler import Context
from punctual.types import task

__all__ = ["BadTaskType", "Context", "task"]

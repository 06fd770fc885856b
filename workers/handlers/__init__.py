"""The built-in task types."""

from workers.handlers import bar, printing

__all__ = ["bar", "printing"]

"""The built-in task types."""

from workers.handlers import bar, baz, fizzbuzz, sleepers

__all__ = ["bar", "baz", "fizzbuzz", "sleepers"]

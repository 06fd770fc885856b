"""The built-in task types: the only prints, the only outgoing HTTP."""

from workers.handlers import bar, baz, fizzbuzz, sleepers

__all__ = ["bar", "baz", "fizzbuzz", "sleepers"]

"""The command line: `punctual`, or `python -m app`."""

from app.cli.commands import main

__all__ = ["main"]

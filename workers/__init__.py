"""The processes that run by themselves: they move what `app` knows to be true."""

from app import without_rich as _first  # noqa: F401

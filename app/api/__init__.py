"""The HTTP API. `create_app` in `application` puts it together, `server` receives its requests."""

from app import without_rich as _first  # noqa: F401  # before anything imports structlog

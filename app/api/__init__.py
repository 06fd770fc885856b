"""The HTTP API. `application.create_app` builds the WSGI application, and `server` receives its requests."""

from app import without_rich as _first  # noqa: F401  # before anything imports structlog

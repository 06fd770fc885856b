"""The Flask application: one file per resource; `create_app` puts it together, `serve` starts it."""

from app import without_rich as _first  # noqa: F401  # before anything imports structlog
from app.api.application import create_app
from app.api.start import serve

__all__ = ["create_app", "serve"]

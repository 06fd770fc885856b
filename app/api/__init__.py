"""The Flask application: one file per resource; `create_app` puts it together, `serve` starts it."""

from app.api.application import create_app
from app.api.start import serve

__all__ = ["create_app", "serve"]

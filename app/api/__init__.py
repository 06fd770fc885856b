"""The Flask application: one file per resource; `create_app` puts it together."""

from app.api.application import create_app

__all__ = ["create_app"]

"""Between the web server and the Flask application: whole requests go in, whole answers come out."""

from app.api.front.front import open_front

__all__ = ["open_front"]

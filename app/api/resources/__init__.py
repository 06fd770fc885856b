"""One file per resource: its calls, each documented beside its view."""

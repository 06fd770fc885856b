"""One file per resource: its operations, each declared beside its view."""

"""Pages for people: sign-in, the documentation, the RQ dashboard; their templates and static files."""

"""Sessions of Postgres that end, that cannot write, and whose defaults are strict."""

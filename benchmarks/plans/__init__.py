"""How Postgres carries out our statements in a table that has grown: their plans, rows, pages and milliseconds."""

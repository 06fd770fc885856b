"""The query plans of the statements in a grown table, with rows, pages and milliseconds."""

"""The ledger in Postgres: one `.sql` file per statement, a typed function for each."""

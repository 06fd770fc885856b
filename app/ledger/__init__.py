"""The truth: one `.sql` file per statement, a typed function for each."""

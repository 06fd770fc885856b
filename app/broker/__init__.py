"""When: the sorted sets of ids by time, in Redis. A hint, never the truth."""

"""The kinds of faults: a small function each, listed in `kinds.table`."""

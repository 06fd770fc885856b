"""What can go wrong: each kind of fault a small function, all of them in `kinds.table`."""

"""Seeded bugs, each in a process of the service: the harness must detect all of them."""

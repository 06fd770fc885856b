"""Bugs put in on purpose, each in a process of its own: the harness must see every one of them."""

"""Delivery through Redis: the due set, and RQ's queues. All of it can be rebuilt from Postgres."""

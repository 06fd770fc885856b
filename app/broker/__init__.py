"""The broker: delivery through Redis by due sets and RQ's queues. All of it can be rebuilt from Postgres."""

"""The worker process: receives deliveries from RQ, claims tasks, runs them, writes their outcomes."""

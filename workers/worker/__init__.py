"""The worker process: takes envelopes from RQ, claims, runs, finishes."""

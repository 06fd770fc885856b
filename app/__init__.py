"""Tasks, the ledger and the broker that keep them, and the HTTP API."""

"""Scripts that load a running service and verify what became of the load; not part of the product."""

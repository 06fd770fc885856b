"""The limits: what the same two stores reach when they are driven directly on this machine."""

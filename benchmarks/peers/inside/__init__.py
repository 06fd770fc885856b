"""Code that runs in a peer's own environment; it may import only the standard library and the peer."""

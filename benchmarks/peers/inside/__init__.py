"""What runs in a peer's own environment; the standard library and the peer are all it may import."""

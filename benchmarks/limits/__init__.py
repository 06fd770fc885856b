"""What the same two stores give when they are driven directly: as fast as our figures could be on this machine."""

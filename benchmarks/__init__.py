"""What the service does per second, and how late it is, on this machine."""

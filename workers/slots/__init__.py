"""Where handlers run, and can be killed."""

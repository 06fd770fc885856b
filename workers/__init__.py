"""The processes that run by themselves: they move what `app` knows to be true."""

"""A stateful model test: real parts and servers in one thread, with a settable clock and crashes between any steps."""

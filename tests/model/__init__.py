"""All interleavings in one thread: real parts, real servers, a clock that is set, crashes between any two steps."""

"""The pool: runs handlers in slots, which are child processes that can be killed, or threads."""

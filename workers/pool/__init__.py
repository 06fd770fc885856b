"""The pool: where handlers run, in processes that can be killed, or in threads."""

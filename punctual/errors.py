"""The errors that punctual raises."""


class BadTaskType(Exception):
    """A function or a payload cannot be declared as a task type; the message says where and what to write."""

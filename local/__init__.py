"""The whole service on one machine, for laptops and tests: embedded servers, and `make run`."""


class RunError(RuntimeError):
    """Punctual cannot be run here like this; the message says what to do."""


class ServerError(RunError):
    """An embedded server cannot be run here; the message says what to do."""


class InUseError(RunError):
    """Another run that has not ended uses this directory."""

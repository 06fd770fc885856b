"""What can go wrong on one machine."""


class RunError(RuntimeError):
    """Punctual cannot be run here like this; the message says what to do."""


class ServerError(RunError):
    """An embedded server cannot be run here; the message says what to do."""


class InUseError(RunError):
    """Another run that is still going holds this directory."""

"""What can be wrong with a run."""


class RunError(ValueError):
    """A run that cannot be started, continued or loaded; the message says why."""

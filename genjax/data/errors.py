"""What can be wrong with data."""


class DataError(ValueError):
    """Data that cannot be used; the message says what was expected and what came."""

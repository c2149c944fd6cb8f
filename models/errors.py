"""What can be wrong before any solver runs."""

from __future__ import annotations


class PlacewiseError(Exception):
    """A misuse with one clear line for the person who made it; the command line exits with status 2."""


class InstanceError(PlacewiseError):
    """A value of an instance that is not what the format expects.

    Parameters
    ----------
    path : str
        Where the value stands, as in ``model.layers[3].memory_bytes``.
    expected : str
        What was expected there, and what was found.
    """

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}" if path else expected)
        self.path = path
        self.expected = expected


class NotApplicableError(PlacewiseError):
    """A method or model that says nothing about this instance, and why."""


class PlacewiseWarning(UserWarning):
    """Something that was read as stated, and is odd: a context beyond what a model is made for."""

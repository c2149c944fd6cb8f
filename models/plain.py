"""Numbers of dataclasses as plain int and float, whatever type of number was given."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from placewise.models.errors import InstanceError


def plain_numbers(owner: object, *names: str, whole: bool = False) -> None:
    """Let equal numbers of a frozen dataclass be equal in files too: whole ones are int, others float.

    What is no number, or not whole, stays as it is for the checks of the instance.

    Parameters
    ----------
    owner : object
        A frozen dataclass.
    *names : str
        Of its fields.
    whole : bool
        Whether they are whole numbers.
    """
    for name in names:
        object.__setattr__(owner, name, plain_number(getattr(owner, name), whole=whole))


def plain_number(value: Any, *, whole: bool = False) -> Any:
    """Return a number as int if whole ones are meant and it is one, else as float; anything else as it is.

    Parameters
    ----------
    value : object
        What was given.
    whole : bool
        Whether it is meant to be a whole number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return value
    if not whole:
        return float(value) + 0.0
    return int(value) if value == value // 1 else value


def count(value: Any, path: str) -> int:
    """Return a whole number of any integer type as int, or say where it was expected.

    Parameters
    ----------
    value : object
        What was given.
    path : str
        Where, as the error names it.

    Raises
    ------
    InstanceError
        Where it is no whole number; a float is none.
    """
    try:
        return index(value)
    except TypeError:
        raise InstanceError(path, f"expected a whole number, found {value!r}") from None

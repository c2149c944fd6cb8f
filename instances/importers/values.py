"""Numbers in other tools' documents, and what is assumed beside them: each is what it should be, or an error that names its key."""

from __future__ import annotations

from typing import Any

from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError, PlacewiseError

MAX_WIDTH = 2**20
MAX_LAYERS = 2048
#: No rate, size or amount of work is larger.
MAX_AMOUNT = 1e30
#: Activations and KV cache are kept in 16 bits.
HALF_BYTES = 2
#: Sent back to the source per token: its number.
TOKEN_BYTES = 4
#: Stands for a bandwidth that is not stated: messages take no time, or a stated one.
UNLIMITED_BYTES_PER_S = 1e15
CHAIN_PROBLEMS = ("edgeshard-latency", "edgeshard-throughput")


def amount(document: dict[str, Any], key: str, path: str = "", most: float = MAX_AMOUNT) -> float:
    """Return a number of at least 0, or say what was expected.

    Parameters
    ----------
    document : dict
        An object of the file.
    key : str
        Of the number.
    path : str
        Of the object, for errors; empty for the whole file.
    most : float
        Largest value.

    Raises
    ------
    InstanceError
        Naming the path.
    """
    return checked(document.get(key), f"{path}.{key}" if path else key, most)


def checked(value: Any, path: str, most: float = MAX_AMOUNT) -> float:
    """Return a value that should be a number of at least 0, or say what was expected.

    Parameters
    ----------
    value : object
        Anything.
    path : str
        Where it stands, for errors.
    most : float
        Largest value.

    Raises
    ------
    InstanceError
        Naming the path.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InstanceError(path, f"expected a number from 0 to {most:g}, found {short(value)}")
    return float(value)


def require_chain(problem: str, source: str) -> None:
    """Refuse a problem that is not one of a chain of layers with stated times.

    Parameters
    ----------
    problem : str
        Its name.
    source : str
        What is imported, for errors.

    Raises
    ------
    PlacewiseError
        For any other problem.
    """
    if problem not in CHAIN_PROBLEMS:
        expected = " or ".join(CHAIN_PROBLEMS)
        raise PlacewiseError(f"--problem: expected {expected} for {source}, found {problem!r}")


def whole(document: dict[str, Any], key: str, default: int | None = None, most: int = MAX_WIDTH) -> int:
    """Return a count or width of a document, or say what was expected; a default stands for what is absent or null.

    Parameters
    ----------
    document : dict
        An object of the file.
    key : str
        Of the number.
    default : int or None
        None where the number must be stated; 0 lets it be 0.
    most : int
        Largest value.

    Raises
    ------
    InstanceError
        Naming the key.
    """
    value = document.get(key, default)
    if value is None and default is not None:  # stated as null
        value = default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InstanceError(key, f"expected a whole number up to {most}, found {short(value)}")
    if value == 0 and default != 0:
        raise InstanceError(key, "expected a whole number of at least 1, found 0")
    return value

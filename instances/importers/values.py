"""Numbers in other tools' documents: each is what it should be, or an error that names its key."""

from __future__ import annotations

from typing import Any

from placewise.models.errors import InstanceError

MAX_WIDTH = 2**20
MAX_LAYERS = 2048
#: No rate, size or amount of work is larger.
MAX_AMOUNT = 1e30


def amount(document: dict[str, Any], key: str, path: str = "", most: float = MAX_AMOUNT) -> float:
    """Return a number of at least 0, or say what was expected."""
    return checked(document.get(key), f"{path}.{key}" if path else key, most)


def checked(value: Any, path: str, most: float = MAX_AMOUNT) -> float:
    """Return a value that should be a number of at least 0, or say what was expected."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InstanceError(path, f"expected a number from 0 to {most:g}, found {short(value)}")
    return float(value)


def short(value: Any) -> str:
    """Return a value for a message, however long it is."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a very long number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def whole(document: dict[str, Any], key: str, default: int | None = None, most: int = MAX_WIDTH) -> int:
    """Return a count or width of a document, or say what was expected; a default stands for what is absent or null."""
    value = document.get(key, default)
    if value is None and default is not None:  # stated as null
        value = default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InstanceError(key, f"expected a whole number up to {most}, found {short(value)}")
    if value == 0 and default != 0:
        raise InstanceError(key, "expected a whole number of at least 1, found 0")
    return value

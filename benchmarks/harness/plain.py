"""Values that JSON has, from any object: a record is written whatever a method returned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

#: What is beyond is left out: a record is a line that people and tools can still read.
LONGEST_TEXT = 10_000
LARGEST_BITS = 1024
MOST_VALUES = 1_000_000
MOST_DEEP = 40


class _TooLargeError(Exception):
    """More values, or deeper ones, than a record takes."""


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of null, booleans, finite numbers, texts, lists and objects.

    Non-finite and endless numbers become null, other objects their text. A member of more than `MOST_VALUES` values
    becomes null as a whole: half a placement is none.
    """
    found = {}
    for name, value in document.items():
        try:
            found[name] = _plain(value, 0, [MOST_VALUES])
        except _TooLargeError:
            found[name] = None
    return found


def one_line(value: Any, longest: int = 300) -> str:
    """Return a text of any object, in one line; one that has none is named by its type."""
    try:
        text = str(value)[: LONGEST_TEXT * 10]
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest]
    except Exception:  # noqa: BLE001 - an object of a method may do anything
        return f"<{type(value).__name__}>"


def whole(text: str) -> str:
    """Return a text without half characters, which no file takes: they are escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def error_line(error: BaseException) -> str:
    """Return an exception's type and message in one line."""
    said = one_line(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth > MOST_DEEP:
        raise _TooLargeError
    try:
        if value is None or isinstance(value, bool | np.bool_):
            return None if value is None else bool(value)
        if isinstance(value, str):
            return whole(value[:LONGEST_TEXT])
        if isinstance(value, Integral):
            number = int(value)
            return number if number.bit_length() <= LARGEST_BITS else None
        if isinstance(value, Real):
            real = float(value)
            return real if math.isfinite(real) else None
        if isinstance(value, Mapping):
            return {
                whole(key) if type(key) is str else one_line(key): _plain(item, depth + 1, left)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset | np.ndarray):
            return [_plain(item, depth + 1, left) for item in value]
    except _TooLargeError:
        raise
    except Exception:  # noqa: BLE001 - an object of a method may do anything
        return f"<{type(value).__name__}>"
    return one_line(value)

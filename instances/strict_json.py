"""JSON without surprises: duplicate keys, NaN and Infinity are errors that name their place."""

from __future__ import annotations

import json
import math
from typing import Any

from placewise.models.errors import InstanceError

#: A file beyond this size is no instance of ours; reading it would only fill memory.
LARGEST_BYTES = 256 * 2**20
#: Lists and objects, and values: a text of only `[],` would fill gigabytes.
LARGEST_CONTAINERS = 2**21
LARGEST_VALUES = 2**25


class _Repeated(dict[str, Any]):
    """An object of the file in which a key stood twice."""

    key = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) == len(pairs):
        return document
    repeated = _Repeated(document)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            repeated.key = key
        seen.add(key)
    return repeated


class _NotANumber:
    """NaN or Infinity in the file."""

    def __init__(self, text: str) -> None:
        self.text = text


def loads(text: str) -> Any:
    """Parse a document.

    Raises
    ------
    InstanceError
        With line and column of a syntax error, or the path of a repeated key or of a number that is none.
    """
    if text.count("[") + text.count("{") > LARGEST_CONTAINERS or text.count(",") > LARGEST_VALUES:
        raise InstanceError(
            "", f"expected at most {LARGEST_CONTAINERS:,} lists and objects and {LARGEST_VALUES:,} values"
        )
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_NotANumber)
    except json.JSONDecodeError as error:
        raise InstanceError(f"line {error.lineno} column {error.colno}", f"not JSON: {error.msg}") from None
    except RecursionError:
        raise InstanceError("", "not an instance: nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise InstanceError("", f"not JSON: {error}") from None
    _check(document, "")
    return document


def _check(value: Any, path: str) -> None:
    if isinstance(value, _Repeated):
        raise InstanceError(join(path, value.key), "expected each key once, found it twice")
    if isinstance(value, _NotANumber):
        raise InstanceError(path, f"expected a finite number, found {value.text}")
    if isinstance(value, dict):
        for key, item in value.items():
            _check(item, join(path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]")


def join(path: str, key: str) -> str:
    """Return the path of a member, in one line whatever the key is.

    Parameters
    ----------
    path : str
        Of the object; empty for the whole file.
    key : str
        Of the member.
    """
    word = key if key.isidentifier() else json.dumps(key[:60])
    return f"{path}.{word}" if path else word


def short(value: Any) -> str:
    """Return a value for a message, however long it is."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def clean_name(text: object, otherwise: str) -> str:
    """Return what is printable of a name that another tool gave, as an instance takes it.

    Parameters
    ----------
    text : object
        What the tool gave.
    otherwise : str
        Where nothing is left of it.
    """
    found = "".join(c for c in text if c.isprintable()).strip()[:120] if isinstance(text, str) else ""
    return found or otherwise


def finite(value: Any) -> Any:
    """Return a document without infinities and NaN, which JSON does not have: they become null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def dumps(document: dict[str, Any]) -> str:
    """Return a document as text; an infinite number becomes null."""
    return json.dumps(finite(document), indent=1, allow_nan=False)

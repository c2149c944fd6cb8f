"""What every problem's gate is made of: readers of objects that anyone may have made.

A method of a user, a warm start or a file gives anything at all. The readers look at built-in types only, through the
built-in types' own functions: no code of an object's class is run, so nothing raises, nothing waits for ever, and
what comes out are plain integers and words. What they do not know is no placement.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import InstanceError
from placewise.models.nearest import meant
from placewise.models.problem import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

#: Characters of a value in a message.
LONGEST_VALUE = 60
#: Bits of an integer that is written out; Python refuses to write thousands of digits.
LONGEST_INTEGER = 128
#: Keys of a placement's document, and wrong entries that are listed one by one.
MOST_KEYS, MOST_LISTED = 64, 100
#: Entries of a list in a file that are read: no instance has more layers or intervals.
MOST_ENTRIES = 2**20
_NUMPY_INTEGERS = tuple(np.dtype(code).type for code in np.typecodes["AllInteger"])
_NUMPY_FLOATS = tuple(np.dtype(code).type for code in np.typecodes["Float"])


def refused(where: str, message: str) -> Violation:
    """Return the violation of an object that does not even say where everything is.

    Parameters
    ----------
    where : str
        What it concerns, e.g. a layer.
    message : str
        What was expected, and what was found.
    """
    return Violation("assignment", where, message)


def whole(value: Any) -> int | None:
    """Return the plain integer that an ``int`` (not a ``bool``) or a numpy integer is, None for anything else."""
    kind = type(value)
    if kind is int:
        return int(value)
    if kind is bool:
        return None
    if issubclass(kind, int):  # an IntEnum and its like: the number itself, not what its class makes of it
        return int.__int__(value)
    return int(value) if any(kind is known for known in _NUMPY_INTEGERS) else None


def real(value: Any) -> float | None:
    """Return the plain float that an integer or a float is, perhaps NaN or infinite, None for anything else."""
    number = whole(value)
    if number is not None:
        try:
            return float(number)
        except OverflowError:
            return math.inf if number > 0 else -math.inf
    kind = type(value)
    if issubclass(kind, float):
        return float.__float__(value)
    return float(value) if any(kind is known for known in _NUMPY_FLOATS) else None


def word(value: Any) -> str | None:
    """Return the plain string that a ``str`` is, None for anything else."""
    return str.__str__(value) if issubclass(type(value), str) else None


def entries(value: Any, most: int) -> tuple[list[Any], int] | None:
    """Return the entries of a list, tuple, range or array of integers, and how many there are.

    Parameters
    ----------
    value : object
        Anything.
    most : int
        One entry more than this is returned at most, however many there are.

    Returns
    -------
    tuple or None
        None for anything else: also a generator, which would be used up, and a sequence class of somebody's own.
    """
    kind = type(value)
    if issubclass(kind, list):
        return list.__getitem__(value, slice(most + 1)), list.__len__(value)
    if issubclass(kind, tuple):
        return list(tuple.__getitem__(value, slice(most + 1))), tuple.__len__(value)
    if kind is np.ndarray and value.ndim and value.dtype.kind in "iu":
        return list(value[: most + 1]), int(value.shape[0])
    if kind is range:
        found = list(islice(value, most + 1))
        return found, len(found)
    return None


def members(value: Any) -> dict[str, Any] | None:
    """Return the members of a dictionary whose keys are plain strings, None for anything else."""
    if not issubclass(type(value), dict) or dict.__len__(value) > MOST_KEYS:
        return None
    return {key: item for key, item in dict.items(value) if type(key) is str}


def devices(
    names: Sequence[str], values: Iterable[Any], label: Callable[[int], str], of: str
) -> tuple[tuple[int, ...], list[Violation]]:
    """Read devices given all by index or all by name.

    Parameters
    ----------
    names : sequence of str
        Of the M devices.
    values : iterable of object
        One per layer or block, of a bounded number.
    label : callable
        What the entry at a position is for, e.g. ``layer 3``.
    of : str
        The instance's name.

    Returns
    -------
    tuple of int
        The indices; worth nothing beside violations.
    list of Violation
        Entries that name no device; the first `MOST_LISTED`, and how many more.
    """
    position = {name: index for index, name in enumerate(names)}
    indices: list[int] = []
    wrong: list[tuple[int, str]] = []
    form: type | None = None
    for at, value in enumerate(values):
        number, name = whole(value), word(value)
        index = None
        if number is None and name is None:
            wrong.append((at, f"expected the index or name of a device, found {shown(value)}"))
        elif number is not None and not 0 <= number < len(names):
            wrong.append((at, f"expected device 0 to {len(names) - 1}, found {shown(number)}"))
        elif name is not None and name not in position:
            near = meant(name, names) if len(wrong) < MOST_LISTED else ""
            wrong.append((at, f"expected a device of {of}, found {shown(name)}{near}"))
        else:
            index = position[name] if name is not None else number
        indices.append(-1 if index is None else index)
        if index is not None:
            own = int if name is None else str
            form = form or own
            if own is not form:
                wrong.append(
                    (at, f"expected all by index or all by name, found {shown(value)} among the others")
                )
    violations = [refused(label(at), f"{label(at)}: {message}") for at, message in wrong[:MOST_LISTED]]
    if len(wrong) > MOST_LISTED:
        violations.append(refused("placement", f"{len(wrong) - MOST_LISTED:,} more entries name no device"))
    return tuple(indices), violations


def listed(document: Any, key: str, path: str = "placement") -> dict[str, Any] | None:
    """Return the list under a key of a file's document by the paths of its entries, None where there is none.

    Parameters
    ----------
    document : object
        Anything.
    key : str
        Of its list.
    path : str
        Of the document, for errors.

    Returns
    -------
    dict of str to object, or None
        ``placement.layers[0]``: entry, and so on.
    """
    value = (members(document) or {}).get(key)
    found = entries(value, MOST_ENTRIES) if issubclass(type(value), list) else None
    return None if found is None else {f"{path}.{key}[{at}]": entry for at, entry in enumerate(found[0])}


def named(names: Sequence[str], values: Mapping[str, Any], expected: str) -> tuple[int, ...]:
    """Read devices by name, as files state them: each value under its path.

    Parameters
    ----------
    names : sequence of str
        The M devices.
    values : mapping of str to object
        By path.
    expected : str
        What each should be, for errors.

    Returns
    -------
    tuple of int
        Indices of the devices, in the order of the values.

    Raises
    ------
    InstanceError
        Naming the path of a value that is no device's name.
    """
    position = {name: index for index, name in enumerate(names)}
    indices = []
    for path, value in values.items():
        name = word(value)
        if name is None or name not in position:
            raise InstanceError(path, f"expected {expected}, found {shown(value)}")
        indices.append(position[name])
    return tuple(indices)


def shown(value: Any) -> str:
    """Return a value for a message: one line of bounded length, without running code of its class."""
    kind = type(value)
    if kind is int and value.bit_length() > LONGEST_INTEGER:
        return f"an integer of {value.bit_length():,} bits"
    if value is None or any(kind is known for known in (bool, int, float, complex)):
        return repr(value)
    if kind is str or kind is bytes:
        text = repr(value[:LONGEST_VALUE])
        return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
    if (number := whole(value)) is not None:
        return shown(number)
    return _kind_of(value)


def _kind_of(value: Any) -> str:
    """Return what an object is, without looking into it."""
    kind = type(value)
    if issubclass(kind, list | tuple):
        count = list.__len__(value) if issubclass(kind, list) else tuple.__len__(value)
        return f"a {_name(kind)} of {count:,} entries"
    if kind is np.ndarray:
        return f"an array of {value.dtype.kind!r} with {value.ndim} dimensions"
    return f"an object of type {_name(kind)}"


def _name(kind: type) -> str:
    """Return a type's name as it was given, whatever its metaclass says, in one short line."""
    found = type.__dict__["__name__"].__get__(kind)
    return "".join(c for c in found[:LONGEST_VALUE] if c.isprintable())

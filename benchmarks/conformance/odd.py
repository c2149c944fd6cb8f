"""What methods, warm starts and files may give in place of a placement."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


class HostileError(Exception):
    """Code of an object was run that nobody needed to run."""


def _raises(*_: object, **__: object) -> None:
    raise HostileError


_SPECIAL = (
    "__len__",
    "__iter__",
    "__getitem__",
    "__index__",
    "__int__",
    "__eq__",
    "__hash__",
    "__repr__",
    "__str__",
)
_Hostile = type("_Hostile", (), dict.fromkeys(_SPECIAL, _raises))
_HostileList = type("_HostileList", (list,), dict.fromkeys(_SPECIAL, _raises))


def junk(good: Any) -> dict[str, Any]:
    """Return objects that are no placement of any problem, by what they are; some are made of a good one."""
    found: dict[str, Any] = {
        "None": None,
        "True": True,
        "a number": 3,
        "NaN": float("nan"),
        "a text": "abc",
        "bytes": b"abc",
        "an empty tuple": (),
        "an empty object": {},
        "an unknown key": {"unknown": []},
        "an object": object(),
        "a function": _raises,
        "an endless generator": itertools.count(),
        "an array of floats": np.full(3, 0.5),
        "an object that raises": _Hostile(),
        "a list that raises": _HostileList([_Hostile()]),
    }
    if isinstance(good, tuple):
        found |= {
            "a placement and a half": (*good, *good),
            "a placement without its end": good[:-1],
            "placements of None": (None,) * len(good),
            "a set": frozenset({0.5}),
        }
    return found


def junk_documents(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield documents that state no placement, made of one that does."""
    for key, value in document.items():
        yield f"no {key}", {name: other for name, other in document.items() if name != key}
        for title, wrong in (("an object", {}), ("a list of nothing", [None]), ("NaN", float("nan"))):
            yield f"{title} as {key}", document | {key: wrong}
        if isinstance(value, list) and value:
            yield f"an unknown device in {key}", document | {key: [*value[:-1], "no such device"]}


def changed(good: Any, entry: Any) -> Any:
    """Return a placement of nested tuples with the same thing as every entry."""
    return tuple(changed(item, entry) for item in good) if isinstance(good, tuple) else entry

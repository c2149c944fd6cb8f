"""Frozen data that is compared by value, arrays included."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Hashable


class ByValue:
    """Base of frozen dataclasses (``eq=False``) whose arrays count by their numbers, NaN like any other.

    The hash is taken once and kept, so that an instance is a cheap key of a cache. What is derived from the fields may
    be kept as a `functools.cached_property`: it is no part of the value, is not copied and not pickled.
    """

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        return hash(self) == hash(other) and all(
            _same(getattr(self, name), getattr(other, name)) for name in self._field_names()
        )

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived: a hash holds in one process only."""
        return {name: getattr(self, name) for name in self._field_names()}

    @cached_property
    def _hash(self) -> int:
        parts = [_key(getattr(self, name)) for name in self._field_names()]
        return hash((type(self).__qualname__, *parts))

    @classmethod
    def _field_names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))  # type: ignore[arg-type]  # subclasses are dataclasses

    def _set(self, **values: Any) -> None:
        """Set fields of the frozen dataclass, in its constructor."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def require_kind(value: object, kind: type, path: str) -> None:
    """Refuse what is no object of a class, in one line that names the place.

    Parameters
    ----------
    value : object
        Anything.
    kind : type
        What it should be.
    path : str
        Where it stands, for errors.

    Raises
    ------
    InstanceError
        When it is of another type.
    """
    if not isinstance(value, kind):
        raise InstanceError(path, f"expected a {kind.__name__}, found {type(value).__name__}")


def _key(value: Any) -> Hashable:
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    key: Hashable = value
    return key


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return bool(one == other)

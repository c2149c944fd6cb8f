"""What other packages bring: the objects behind entry points, each with where it comes from."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint


def offered(group: str) -> Iterator[tuple[str, Any]]:
    """Yield what installed packages offer under a group of entry points, with its place for messages.

    Raises
    ------
    PlacewiseError
        Naming the entry point whose object cannot be imported.
    """
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        yield place_of(point), loaded(point)


def place_of(point: EntryPoint) -> str:
    """Return an entry point for messages."""
    return f"entry point {point.name} = {point.value} of {point.group}"


def loaded(point: EntryPoint) -> Any:
    """Return the object of an entry point, or raise `PlacewiseError` that names it."""
    try:
        return point.load()
    except Exception as error:
        raise PlacewiseError(f"{place_of(point)}: {type(error).__name__}: {error}") from error

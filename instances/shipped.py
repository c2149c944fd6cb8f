"""The instances that come with the package, and with others that bring problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.instances.folder import DATA
from placewise.instances.registry import formats
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DATA", "shipped_instances", "shipped_path"]


def shipped_instances() -> dict[str, Path]:
    """Return the file of each shipped instance by name, in alphabetical order.

    Raises
    ------
    PlacewiseError
        Where two packages ship instances of one name.
    """
    found: dict[str, Path] = {}
    for folder in dict.fromkeys(described.folder for described in formats().values()):
        for path in () if folder is None else folder.glob("*.json"):
            if path.stem in found:
                raise PlacewiseError(f"{path}: expected another name than that of {found[path.stem]}")
            found[path.stem] = path
    return dict(sorted(found.items()))


def shipped_path(name: str) -> Path | None:
    """Return the file of a shipped instance, or None."""
    return shipped_instances().get(name)

"""Cards of one machine by number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from placewise.instances.runtimes.plan import Settings

_NUMBERED = re.compile(r"(?:gpu|cuda|card)(?:[-_: ]?(\d{1,3}))?", re.IGNORECASE)


def number_of(name: str, settings: Settings) -> int | None:
    """Return a card's number: as stated, or as in ``gpu-1`` or ``cuda:1``, 0 in ``gpu``; None where neither tells.

    Parameters
    ----------
    name : str
        Of the device.
    settings : Settings
        With `at`.

    Raises
    ------
    PlacewiseError
        Where something else than a number is stated.
    """
    stated = settings.at.get(name)
    if stated is not None and not stated.isdecimal():
        raise PlacewiseError(f"--at {name}: expected a card's number, found {stated!r}")
    return numbered(name) if stated is None else int(stated)


def numbered(name: str) -> int | None:
    """Return the number in a card's name, None where it is none.

    Parameters
    ----------
    name : str
        Of the device.
    """
    found = _NUMBERED.fullmatch(name)
    return int(found[1] or 0) if found else None

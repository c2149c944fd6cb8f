"""Names that are none: the one that was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def meant(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)", or nothing where no known name is near.

    Parameters
    ----------
    name : str
        As it was written.
    known : iterable of str
        What there is.
    """
    folded = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[near[0]]!r}?)" if near else ""


def expected(name: str, known: Iterable[str]) -> str:
    """Return "expected one of x, y, found 'z'", with the name that was probably meant.

    Parameters
    ----------
    name : str
        As it was written.
    known : iterable of str
        What there is.
    """
    names = list(known)
    return f"expected one of {', '.join(names)}, found {name!r}{meant(name, names)}"

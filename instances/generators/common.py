"""What the generators share: links, and the kinds of tiny instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import PlacewiseError
from placewise.models.nearest import meant

if TYPE_CHECKING:
    import random

    from numpy.typing import NDArray

#: Megabits per second, in bytes per second.
MBPS = 1e6 / 8
#: Of the tiny instances: what each exercises is said by its generator.
KINDS = ("tight", "one-byte", "sparse", "equal", "loose")


def symmetric(links: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return links that are as fast in both directions: those above the diagonal, mirrored."""
    upper = np.triu(links, 1)
    return np.asarray(upper + upper.T, dtype=np.float64)


def pick_kind(draw: random.Random, kind: str) -> str:
    """Return a kind of tiny instance, one of them by chance for ``mixed``, or say which ones there are.

    Parameters
    ----------
    draw : random.Random
        Draws for ``mixed``.
    kind : str
        ``mixed`` or one of `KINDS`.

    Raises
    ------
    PlacewiseError
        On any other kind.
    """
    if kind == "mixed":
        kind = draw.choice(KINDS)
    if kind not in KINDS:
        raise PlacewiseError(
            f"kind: expected one of mixed, {', '.join(KINDS)}, found {kind!r}{meant(kind, KINDS)}"
        )
    return kind


def unlike(steady: NDArray[Any], table: NDArray[Any]) -> NDArray[Any] | None:
    """Return a table over time, or None where every interval has what the cluster states.

    Parameters
    ----------
    steady : ndarray, shape (M,) or (M, M)
        What the cluster states.
    table : ndarray, shape (T, M) or (T, M, M)
        The same over time.
    """
    return None if (table == steady).all() else table

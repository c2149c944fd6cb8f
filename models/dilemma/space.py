"""The spaces of placements: how many there are, and all of them, for the brute force."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.dilemma.data import DilemmaInstance
    from placewise.models.dilemma.placement import Placement


def count(instance: DilemmaInstance) -> float:
    """Return how many placements there are: ``(M B) ** L``."""
    return float(instance.cluster.size * len(instance.bit_widths)) ** len(instance.layers)


def placements(instance: DilemmaInstance) -> Iterator[Placement]:
    """Yield every server and width of every layer."""
    choices = list(product(range(instance.cluster.size), range(len(instance.bit_widths))))
    return product(choices, repeat=len(instance.layers))

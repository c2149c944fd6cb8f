"""The space of plans: how many there are, and all of them, for the brute force."""

from __future__ import annotations

from itertools import islice, product
from math import prod
from typing import TYPE_CHECKING

from placewise.models.replicated.placement import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Interval, Placement


def intervals(instance: ReplicatedThroughput, node: int) -> list[Interval]:
    """Return what a node may hold: nothing, or some consecutive layers.

    Parameters
    ----------
    instance : ReplicatedThroughput
        L layers.
    node : int
        Its index.
    """
    sizes = range(1, instance.most_layers(node) + 1)
    held = [(first, first + k) for k in sizes for first in range(instance.layers - k + 1)]
    return [NOTHING, *held]


def count(instance: ReplicatedThroughput) -> float:
    """Return how many plans there are in which some node holds a layer."""
    sizes = [instance.most_layers(i) for i in range(instance.cluster.size)]
    return float(prod(1.0 + k * instance.layers - k * (k - 1) / 2 for k in sizes) - 1)


def placements(instance: ReplicatedThroughput) -> Iterator[Placement]:
    """Yield all of them."""
    every = product(*(intervals(instance, i) for i in range(instance.cluster.size)))
    return islice(every, 1, None)  # all but the first, in which no node holds any

"""The spaces of placements: how many there are, and all of them, for the brute force."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from placewise.models.edgeshard.batch_placement import placement_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.edgeshard.batch_placement import BatchPlacement
    from placewise.models.edgeshard.batches import EdgeShardBatch
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement


def count(instance: EdgeShardInstance) -> float:
    """Return how many placements keep layer 0 on the source: ``M ** (N - 1)``; with a free source ``M ** N``."""
    return float(instance.cluster.size) ** (len(instance.layers) - (instance.source is not None))


def placements(instance: EdgeShardInstance) -> Iterator[Placement]:
    """Yield all of them; rules are for `evaluate`."""
    devices = range(instance.cluster.size)
    sources = devices if instance.source is None else (instance.source,)
    return product(sources, *[devices] * (len(instance.layers) - 1))


def batch_count(instance: EdgeShardBatch) -> float:
    """Return how many placements all choices have, those too large for the cluster left out."""
    return sum(count(instance.at(size)) for _, size in instance.choices)


def batch_placements(instance: EdgeShardBatch) -> Iterator[BatchPlacement]:
    """Yield the placements of each choice."""
    return (
        placement_with(in_flight, size, layers)
        for in_flight, size in instance.choices
        for layers in placements(instance.at(size))
    )

"""The spaces of placements: how many there are, and all of them, for the brute force."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from placewise.models.head_migration.data import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.head_migration.data import HeadMigrationInstance
    from placewise.models.head_migration.decoder import DecoderInstance, DecoderTrajectory
    from placewise.models.head_migration.placement import Trajectory


def count(instance: HeadMigrationInstance) -> float:
    """Return how many trajectories there are: ``M ** ((H + 2) T)``."""
    return float(instance.cluster.size) ** ((instance.transformer.units + 2) * instance.intervals)


def placements(instance: HeadMigrationInstance) -> Iterator[Trajectory]:
    """Yield every device of every block in every interval."""
    return product(_intervals(instance), repeat=instance.intervals)


def decoder_count(instance: DecoderInstance) -> float:
    """Return how many trajectories all layers have together."""
    return count(instance.layer) ** instance.layers


def decoder_placements(instance: DecoderInstance) -> Iterator[DecoderTrajectory]:
    """Yield every device of every block of every layer in every interval."""
    return product(
        list(product(_intervals(instance.layer), repeat=instance.layers)), repeat=instance.intervals
    )


def _intervals(instance: HeadMigrationInstance) -> list[Interval]:
    blocks = product(range(instance.cluster.size), repeat=instance.transformer.units + 2)
    return [Interval(places[:-2], *places[-2:]) for places in blocks]

"""A trajectory of blocks as rows: what each device hosts in each interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.head_migration.placement import memory_use
from placewise.models.stages import Share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.head_migration.data import HeadMigrationInstance, Interval
    from placewise.models.head_migration.decoder import DecoderInstance, DecoderTrajectory
    from placewise.models.head_migration.placement import Trajectory


def stages(instance: HeadMigrationInstance, trajectory: Trajectory) -> tuple[Share, ...]:
    """Return what each device hosts in each of T intervals.

    Parameters
    ----------
    instance : HeadMigrationInstance
        The instance.
    trajectory : tuple of Interval
        T placements.

    Returns
    -------
    tuple of Share
        By interval, then by device.
    """
    return tuple(row for t, now in enumerate(trajectory) for row in _shares(instance, t, 0, now))


def decoder_stages(instance: DecoderInstance, trajectory: DecoderTrajectory) -> tuple[Share, ...]:
    """Return what each device hosts of each layer in each of T intervals, by interval, layer and device.

    Parameters
    ----------
    instance : DecoderInstance
        Whose layers and devices they are.
    trajectory : tuple of tuple of Interval
        T entries with one `Interval` per layer.
    """
    return tuple(
        row
        for t, now in enumerate(trajectory)
        for layer, part in enumerate(now)
        for row in _shares(instance.layer, t, layer, part)
    )


def _shares(instance: HeadMigrationInstance, t: int, layer: int, now: Interval) -> Iterator[Share]:
    need = memory_use(instance, t, now)
    for j, name in enumerate(instance.cluster.device_names):
        heads, proj, ffn = now.heads.count(j), now.proj == j, now.ffn == j
        if heads or proj or ffn:
            yield Share(t, layer, name, heads, proj, ffn, int(need[j]))

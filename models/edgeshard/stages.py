"""An EdgeShard placement as stages: consecutive layers on one device."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from placewise.models.edgeshard.batch_placement import pipeline_of
from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.memory import added_bytes
from placewise.models.edgeshard.placement import hops_s
from placewise.models.stages import Stage

if TYPE_CHECKING:
    from placewise.models.edgeshard.batch_placement import BatchPlacement
    from placewise.models.edgeshard.batches import EdgeShardBatch
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.edgeshard.placement import Placement


def stages(instance: EdgeShardInstance, placement: Placement) -> tuple[Stage, ...]:
    """Return the stages of a placement.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers, M devices.
    placement : tuple of int
        Device index of each layer.

    Returns
    -------
    tuple of Stage
        In the order of the layers. All their seconds, and the token's way back, are the latency (Eq. 2). A tensor
        that a device stores once counts where it comes first.
    """
    instance = instance.at_source(placement[0])
    compute_s, transfers_s = time_tables(instance).compute_s, [0.0, *hops_s(instance, placement)]
    names, found = instance.cluster.device_names, []
    held: dict[int, set[str]] = {}
    for device, group in groupby(range(len(placement)), key=placement.__getitem__):
        hosted = list(group)
        found.append(
            Stage(
                device=names[device],
                first=hosted[0],
                last=hosted[-1],
                compute_s=float(compute_s[hosted, device].sum()),
                transfer_s=transfers_s[hosted[0]],
                memory_bytes=sum(
                    added_bytes(instance.layers[layer], held.setdefault(device, set())) for layer in hosted
                ),
            )
        )
    return tuple(found)


def batch_stages(instance: EdgeShardBatch, placement: BatchPlacement) -> tuple[Stage, ...]:
    """Return the stages of the pipeline of the chosen batch size, see `stages`; seconds are those of a whole batch.

    Parameters
    ----------
    instance : EdgeShardBatch
        Whose times hold.
    placement : tuple
        In canonical form.
    """
    return stages(*pipeline_of(instance, placement))

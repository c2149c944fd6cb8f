"""What an EdgeShard placement is short of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from placewise.models.resources import Resource, cluster_resources, scaled_cluster, scaled_entries

if TYPE_CHECKING:
    from placewise.models.edgeshard.batches import EdgeShardBatchInstance
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.problem import Instance

    EdgeShardT = TypeVar("EdgeShardT", EdgeShardInstance, EdgeShardBatchInstance)


def resources(instance: Instance) -> list[Resource]:
    """Return memory, speed and links of each device, and each link."""
    return cluster_resources(instance.cluster)


def scaled(instance: EdgeShardT, resource: Resource, factor: float) -> EdgeShardT:
    """Return an instance of any EdgeShard problem with so much more (or less) of a resource.

    Parameters
    ----------
    instance : EdgeShardInstance or EdgeShardBatchInstance
        As it is.
    resource : Resource
        Memory, speed or links.
    factor : float
        Above 0; infinite for no limit, or a free link.
    """
    if resource.kind == "speed":
        times = scaled_entries(instance.compute_time_s, resource, 1 / factor)
        return replace(instance, compute_time_s=times)  # type: ignore[call-arg]  # stated times, see `__new__`
    return replace(instance, cluster=scaled_cluster(instance.cluster, resource, factor))

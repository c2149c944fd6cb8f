"""What an EdgeShard placement is short of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from placewise.models.resources import Resource, cluster_resources, scaled_cluster, scaled_entries


def resources(instance: Any) -> list[Resource]:
    """Return memory, speed and links of each device, and each link."""
    return cluster_resources(instance.cluster)


def scaled(instance: Any, resource: Resource, factor: float) -> Any:
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
        return replace(instance, compute_time_s=times)
    return replace(instance, cluster=scaled_cluster(instance.cluster, resource, factor))

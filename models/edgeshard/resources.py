"""What an EdgeShard placement is short of."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, TypeVar

from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.edgeshard.times import Roofline
from placewise.models.resources import Resource, cluster_resources, scaled_cluster, scaled_entries

if TYPE_CHECKING:
    from placewise.models.edgeshard.data import EdgeShardInstance
    from placewise.models.problem import Instance

    EdgeShardT = TypeVar("EdgeShardT", EdgeShardInstance, EdgeShardBatch)

TIME_LIMIT = "time_per_token"
#: Stands for a device that takes no time, where rates must be numbers.
FASTEST = 1e12


def resources(instance: Instance) -> list[Resource]:
    """Return memory, speed and links of each device, and each link."""
    limit_s = instance.time_per_token_limit_s if isinstance(instance, EdgeShardBatch) else None
    own = [] if limit_s is None else [Resource(TIME_LIMIT, (), "limit on the time per token", limit_s)]
    return [*cluster_resources(instance.cluster), *own]


def scaled(instance: EdgeShardT, resource: Resource, factor: float) -> EdgeShardT:
    """Return an instance of any EdgeShard problem with so much more (or less) of a resource.

    Parameters
    ----------
    instance : EdgeShardInstance or EdgeShardBatch
        As it is.
    resource : Resource
        Memory, speed or links.
    factor : float
        Above 0; infinite for no limit, or a free link.
    """
    if resource.kind == TIME_LIMIT:
        assert isinstance(instance, EdgeShardBatch)
        known_s = instance.time_per_token_limit_s
        limit_s = None if known_s is None or not isfinite(factor) else known_s * factor
        return replace(instance, time_per_token_limit_s=limit_s)  # type: ignore[call-arg]  # of a batch problem
    by_rates = isinstance(instance.times, Roofline) and instance.request is not None
    if resource.kind == "speed" and not by_rates:  # prompts of a request follow from rates as well
        times = scaled_entries(instance.compute_time_s, resource, 1 / factor)
        return replace(instance, compute_time_s=times)  # type: ignore[call-arg]  # stated times, see `__new__`
    factor = min(factor, FASTEST) if resource.kind == "speed" else factor
    return replace(instance, cluster=scaled_cluster(instance.cluster, resource, factor))

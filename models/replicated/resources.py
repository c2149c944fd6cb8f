"""What a plan is short of: speed of nodes, links between them, and links of source and sink."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.replicated.data import NodeType
from placewise.models.resources import (
    FREE_BYTES_PER_S,
    Resource,
    cluster_resources,
    scaled_cluster,
    scaled_entries,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.replicated.data import ReplicatedThroughput


def resources(instance: ReplicatedThroughput) -> list[Resource]:
    """Return speed and links of each node, each link between two, and those of source and sink together."""
    found = [part for part in cluster_resources(instance.cluster) if part.kind != "memory"]
    return [*found, Resource("ends", (), "links of source and sink")]


def scaled(instance: ReplicatedThroughput, resource: Resource, factor: float) -> ReplicatedThroughput:
    """Return an instance with so much more (or less) of a resource.

    Parameters
    ----------
    instance : ReplicatedThroughput
        As it is.
    resource : Resource
        Speed, links, or those of source and sink; any other kind changes nothing.
    factor : float
        Above 0; infinite for a free link.
    """
    if resource.kind == "speed":
        chosen = resource.devices or tuple(range(instance.cluster.size))
        kinds, types = list(instance.node_types), list(instance.types)
        for node in chosen:  # a type of its own, beside the others of its kind
            name, node_name = instance.node_types[types[node]].name, instance.cluster.device_names[node]
            rates = [rate * factor for rate in kinds[types[node]].tokens_per_s]
            kinds.append(NodeType(f"{name} of {node_name} x {factor:g}", rates))
            types[node] = len(kinds) - 1
        return replace(instance, node_types=tuple(kinds), types=tuple(types))
    if resource.kind == "ends":

        def more(values: NDArray[np.float64]) -> NDArray[np.float64]:
            if math.isinf(factor):
                return np.full_like(values, FREE_BYTES_PER_S)
            return scaled_entries(values, resource, factor)

        return replace(
            instance,
            source_bandwidth_bytes_per_s=more(instance.source_bandwidth_bytes_per_s),
            sink_bandwidth_bytes_per_s=more(instance.sink_bandwidth_bytes_per_s),
        )
    if resource.kind == "memory":
        return instance
    return replace(instance, cluster=scaled_cluster(instance.cluster, resource, factor))

"""Types of devices, found and not declared: which devices may be exchanged without changing any placement's cost."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.kinds import exchangeable
from placewise.models.edgeshard.memory import furthest_ends
from placewise.models.edgeshard.runs import useful_devices

if TYPE_CHECKING:
    from placewise.models.edgeshard.data import EdgeShardInstance


def device_types(instance: EdgeShardInstance) -> list[list[int]]:
    """Return the devices of use beside the source in groups that may be exchanged one for one.

    Two devices are of one type if runs fit on both or on neither, every layer takes both the same time, and the links of
    both are equal: to each third device and from it, the source too, and between the two in both directions. Exchanging
    them then changes no time and no memory. That relation is transitive, since the exchange of a first and a third device
    is made of exchanges with a second; so links are equal within a type, and depend on the types only between two.

    Parameters
    ----------
    instance : EdgeShardInstance
        M devices.

    Returns
    -------
    list of list of int
        Device indices, ascending in each type; types by their first device.
    """
    costs, source = time_tables(instance), instance.source_index
    useful = useful_devices(instance)
    # Layer 0 is on the source.
    furthest, compute_s = furthest_ends(instance)[1:-1], costs.compute_s[1:]
    alike = defaultdict(list)
    for j in useful:
        if j != source:
            alike[furthest[:, j].tobytes(), compute_s[:, j].tobytes(), float(costs.return_s[j])].append(j)
    bandwidth = instance.cluster.bandwidth_bytes_per_s
    links = np.stack([bandwidth, np.where(bandwidth > 0, instance.cluster.latency_s, 0.0)])
    links = links[:, useful][:, :, useful]
    position = {j: place for place, j in enumerate(useful)}
    types: list[list[int]] = []
    for devices in alike.values():
        found: dict[bytes, list[list[int]]] = defaultdict(list)
        for j in devices:
            # Sorted links are equal within a type; that leaves few pairs to compare link by link.
            place = position[j]
            sides = np.sort(links[:, place]), np.sort(links[:, :, place])
            groups = found[b"".join(side.tobytes() for side in sides)]
            for group in groups:
                if exchangeable(links, position[group[0]], place):
                    group.append(j)
                    break
            else:
                groups.append([j])
        types += [group for groups in found.values() for group in groups]
    return sorted(types)

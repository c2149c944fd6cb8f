"""Devices that may be exchanged one for one without changing any placement's cost: found, not declared."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables, weighted_compute_s
from placewise.models.edgeshard.memory import furthest_ends
from placewise.models.edgeshard.runs import useful_devices

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from placewise.models.edgeshard.data import EdgeShardInstance


def kinds_of(instance: EdgeShardInstance) -> tuple[int, ...]:
    """Return for each device the first one that it can be exchanged with: the instance stays what it is.

    Memory, times, rules, and links in both directions are the same. A device that is the source, or to which a layer is
    pinned, stands for itself.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    """
    cluster, rules, count = instance.cluster, instance.rules, len(instance.layers)
    size = cluster.size
    own = {int(device) for _, device in rules.pinned} | {instance.source}
    numbers = np.vstack(
        [cluster.memory_bytes, rules.least(size), rules.most(size, count), weighted_compute_s(instance)]
    )
    links = np.stack([cluster.bandwidth_bytes_per_s, cluster.latency_s])
    kinds = list(range(size))
    for group in groups([j if j in own else numbers[:, j].tobytes() for j in range(size)], links):
        for j in group:
            kinds[j] = group[0]
    return tuple(kinds)


def device_types(instance: EdgeShardInstance) -> list[list[int]]:
    """Return the devices of use beside the source in groups that may be exchanged one for one in a pipeline.

    Two devices are of one type if runs fit on both or on neither, every layer takes both the same time, and the links of
    both are equal: to each third device and from it, the source too, and between the two in both directions. Exchanging
    them then changes no time, and no placement that fits.

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
    keys: list[Hashable] = [
        j if j == source else (furthest[:, j].tobytes(), compute_s[:, j].tobytes(), float(costs.return_s[j]))
        for j in useful
    ]
    bandwidth = instance.cluster.bandwidth_bytes_per_s
    links = np.stack([bandwidth, np.where(bandwidth > 0, instance.cluster.latency_s, 0.0)])
    found = groups(keys, links[:, useful][:, :, useful])
    return [types for group in found if source not in (types := [useful[place] for place in group])]


def groups(keys: Sequence[Hashable], links: NDArray[np.float64]) -> list[list[int]]:
    """Return devices in groups of equal keys that may be exchanged one for one, each ascending, by their first one.

    Exchanging a with c is exchanging a with b, b with c and a with b again: the relation is transitive, so it is enough
    to compare with the first of each group; links are equal within one, and depend on the groups only between two.

    Parameters
    ----------
    keys : sequence of hashable, length M
        What else must be equal.
    links : ndarray, shape (K, M, M)
        K numbers of each link, row = sender; what stands on the diagonal is not looked at.
    """
    beside = links.copy()
    beside[:, np.arange(len(keys)), np.arange(len(keys))] = 0.0
    # Sorted links are equal within a group; that leaves few pairs to compare link by link.
    sent, received = np.sort(beside, axis=2), np.sort(beside, axis=1)
    alike: dict[Hashable, list[list[int]]] = defaultdict(list)
    for j, key in enumerate(keys):
        found = alike[key, sent[:, j].tobytes(), received[:, :, j].tobytes()]
        for group in found:
            if exchangeable(links, group[0], j):
                group.append(j)
                break
        else:
            found.append([j])
    return sorted(group for several in alike.values() for group in several)


def exchangeable(links: NDArray[np.float64], one: int, other: int) -> bool:
    """Return whether links are the same after two devices have changed places.

    Parameters
    ----------
    links : ndarray, shape (K, M, M)
        K numbers of each link, row = sender; what stands on the diagonal is not looked at.
    one, other : int
        The devices.
    """
    third = np.ones(links.shape[1], dtype=bool)
    third[[one, other]] = False
    return (
        np.array_equal(links[:, one, other], links[:, other, one])
        and np.array_equal(links[:, one, third], links[:, other, third])
        and np.array_equal(links[:, third, one], links[:, third, other])
    )

"""Devices that can be exchanged: the same memory, times, rules, and links in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import weighted_compute_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard.data import EdgeShardInstance


def kinds_of(instance: EdgeShardInstance) -> tuple[int, ...]:
    """Return for each device the first one that it can be exchanged with: the instance stays what it is.

    A device that is the source, or to which a layer is pinned, stands for itself. Exchanging a with c is exchanging a
    with b, b with c and a with b again, so it is enough to compare with the first of each kind.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers on M devices.
    """
    cluster, rules, count = instance.cluster, instance.rules, len(instance.layers)
    size = cluster.size
    own = {device for _, device in rules.pinned} | {instance.source}
    numbers = np.vstack(
        [cluster.memory_bytes, rules.least(size), rules.most(size, count), weighted_compute_s(instance)]
    )
    links = np.stack([cluster.bandwidth_bytes_per_s, cluster.latency_s])
    found: dict[bytes, list[int]] = {}
    kinds = []
    for j in range(size):
        alike = found.setdefault(np.ascontiguousarray(numbers[:, j]).tobytes(), []) if j not in own else []
        first = next((k for k in alike if exchangeable(links, k, j)), j)
        if first == j:
            alike.append(j)
        kinds.append(first)
    return tuple(kinds)


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

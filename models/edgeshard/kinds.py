"""Devices that can be exchanged: the same memory, times, rules, and links in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
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
        [cluster.memory_bytes, rules.least(size), rules.most(size, count), instance.compute_time_s]
    )
    links = [cluster.bandwidth_bytes_per_s, cluster.latency_s]
    found: dict[bytes, list[int]] = {}
    kinds = []
    for j in range(size):
        alike = found.setdefault(np.ascontiguousarray(numbers[:, j]).tobytes(), []) if j not in own else []
        first = next((k for k in alike if all(_same_links(matrix, k, j) for matrix in links)), j)
        if first == j:
            alike.append(j)
        kinds.append(first)
    return tuple(kinds)


def _same_links(matrix: np.ndarray, one: int, other: int) -> bool:
    swapped = np.arange(len(matrix))
    swapped[[one, other]] = other, one
    row = np.array_equal(np.delete(matrix[one, swapped], other), np.delete(matrix[other], other))
    column = np.array_equal(np.delete(matrix[swapped, one], other), np.delete(matrix[:, other], other))
    return row and column

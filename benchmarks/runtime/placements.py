"""Placements to run: the proven optima, the rules that people use, and others at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.registry import problem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.edgeshard import EdgeShardLatency

Placement = tuple[int, ...]


def split(instance: EdgeShardLatency, weights: Sequence[float], order: Sequence[int]) -> Placement:
    """Return decoder layers and head in proportion to weights, the embedding on the source.

    Parameters
    ----------
    instance : EdgeShardLatency
        N layers.
    weights : sequence of float
        Of each device of `order`.
    order : sequence of int
        Devices as the token passes them.
    """
    units = len(instance.layers) - 1
    ends, total, passed = [], sum(weights), 0.0
    for weight in weights:
        passed += weight
        ends.append(round(units * passed / total))
    placement = [instance.source_index]
    for device, end in zip(order, ends, strict=True):
        placement += [device] * (end + 1 - len(placement))
    return tuple(placement)


def rules(instance: EdgeShardLatency) -> dict[str, Placement]:
    """Return equal shares, shares in proportion to memory, and llama.cpp's own: servers alone, by memory.

    Parameters
    ----------
    instance : EdgeShardLatency
        Whose devices, in their order.
    """
    memory = [float(size) for size in instance.cluster.memory_bytes]
    everyone = [*range(instance.cluster.size)]
    return {
        "equal": split(instance, [1.0] * len(everyone), everyone),
        "by memory": split(instance, memory, everyone),
        "servers by memory": split(instance, memory[1:], everyone[1:]),
    }


def others(instance: EdgeShardLatency, count: int, seed: int) -> dict[str, Placement]:
    """Return feasible contiguous placements at random: an order of devices, and cuts.

    Parameters
    ----------
    instance : EdgeShardLatency
        Contiguous.
    count, seed : int
        How many, and of which sequence.
    """
    source, evaluate = np.random.default_rng(seed), problem_of(instance).evaluate
    found: dict[str, Any] = {}
    for _ in range(20000):
        servers = source.permutation(range(1, instance.cluster.size)).tolist()
        order = [0, *servers[: source.integers(1, len(servers) + 1)]]
        placement = split(instance, [source.random() for _ in order], order)
        if placement not in found.values() and evaluate(instance, placement).feasible:
            found[f"random {len(found) + 1}"] = placement
        if len(found) == count:
            break
    return found

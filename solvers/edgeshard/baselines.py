"""The baselines of EdgeShard's Section V, and a greedy chain; each returns a placement or says what is in its way.

Source: Zhang, Cao, Shen and Cui (2024), Section V-A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.memory import added_bytes
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.models.workload import Layer
    from placewise.solvers.execution.context import Context


def edge_solo(instance: EdgeShardInstance, context: Context) -> Claim:
    """Edge-Solo: all layers on the source.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    return _best(instance, context, [(instance.source_index,) * len(instance.layers)])


def cloud_edge_even(instance: EdgeShardInstance, context: Context) -> Claim:
    """Cloud-Edge-Even: the first half of the layers on the source, the others on the cloud.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    return _best(instance, context, [_split(instance, (len(instance.layers) + 1) // 2)])


def cloud_edge_nearest(instance: EdgeShardInstance, context: Context) -> Claim:
    """Cloud-Edge-Even where halves do not fit: the cut nearest to even that does.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    half = (len(instance.layers) + 1) // 2
    claim = cloud_edge_even(instance, context)
    for cut in sorted(range(1, len(instance.layers)), key=lambda cut: abs(cut - half)):
        if claim.placement is not None:
            break
        claim = _best(instance, context, [_split(instance, cut)])
    return claim


def edgeshard_even(instance: EdgeShardInstance, context: Context) -> Claim:
    """EdgeShard-Even: the source, the largest others and the cloud last, as few as hold equal shares of the layers.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    cloud, budget = cloud_of(instance), instance.cluster.memory_bytes
    others = [j for j in range(instance.cluster.size) if j not in (instance.source_index, cloud)]
    others.sort(key=lambda j: -int(budget[j]))
    claim = Claim(Reason.FINISHED, message="no equal shares fit", solve_s=context.elapsed)
    for size in range(min(len(others), len(instance.layers) - 2) + 1):
        chain = [instance.source_index, *others[:size], cloud]
        shares = np.array_split(np.arange(len(instance.layers)), len(chain))
        placement = tuple(
            device for device, share in zip(chain, shares, strict=True) for _ in range(len(share))
        )
        claim = _best(instance, context, [placement])
        if claim.placement is not None:
            break
    return claim


def cloud_edge_opt(instance: EdgeShardInstance, context: Context) -> Claim:
    """Cloud-Edge-Opt: the best way to cut the layers in two, for the source and the cloud.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    cuts = range(1, len(instance.layers) + 1)
    return _best(instance, context, [_split(instance, cut) for cut in cuts])


def greedy(instance: EdgeShardInstance, context: Context) -> Claim:
    """Fill the current device, then go on to the one with the least time per layer that it will take, hop included.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    costs = time_tables(instance)
    layers = instance.layers
    free = [int(size) for size in instance.cluster.memory_bytes]
    held: list[set[str]] = [set() for _ in free]
    placement: list[int] = []
    rules, size, count = instance.rules, instance.cluster.size, len(layers)
    # A pipeline has one stage per device.
    once = instance.problem == "edgeshard-throughput" or rules.contiguous
    ends, left = rules.ends(size, count), rules.most(size, count).tolist()

    def longest(first: int, j: int) -> int:
        return min(_run_length(layers[first:], free[j], held[j]), int(ends[first, j]) - first, int(left[j]))

    device = instance.source_index
    while len(placement) < count:
        first = len(placement)
        taken = longest(first, device)
        placement += [device] * taken
        left[device] -= taken
        free[device] -= sum(added_bytes(layer, held[device]) for layer in layers[first : first + taken])
        if len(placement) == count:
            break
        first = len(placement)
        candidates = []
        for j in range(size):
            length = longest(first, j)
            if length and j != device and placement and not (once and j in placement):
                hop_s = float(costs.transfer_s(first - 1)[device, j])
                candidates.append(((hop_s + costs.compute_s[first : first + length, j].sum()) / length, j))
        if not candidates:
            message = f"out of memory: layer {first} fits on no device"
            return Claim(Reason.FINISHED, message=message, solve_s=context.elapsed)
        device = min(candidates)[1]
    return _best(instance, context, [tuple(placement)])


def cloud_of(instance: EdgeShardInstance) -> int:
    """Return the device that plays the cloud: the fastest for the whole model, other than the source."""
    total_s = time_tables(instance).compute_s.sum(axis=0)
    others = [j for j in range(instance.cluster.size) if j != instance.source_index]
    return min(others, key=total_s.__getitem__, default=instance.source_index)


def _split(instance: EdgeShardInstance, cut: int) -> tuple[int, ...]:
    return (instance.source_index,) * cut + (cloud_of(instance),) * (len(instance.layers) - cut)


def _run_length(layers: Sequence[Layer], free: int, held: set[str]) -> int:
    """Return how many of the next layers fit beside the shared tensors that a device holds."""
    held = set(held)
    for length, layer in enumerate(layers):
        free -= added_bytes(layer, held)
        if free < 0:
            return length
    return len(layers)


def _best(instance: EdgeShardInstance, context: Context, placements: Iterable[tuple[int, ...]]) -> Claim:
    problem = problem_of(instance)
    evaluated = [(problem.evaluate(instance, placement), placement) for placement in placements]
    feasible = [
        (evaluation.objective, placement)
        for evaluation, placement in evaluated
        if evaluation.feasible and evaluation.objective is not None
    ]
    if not feasible:
        violation = evaluated[-1][0].violations[0]
        word = "out of memory" if violation.constraint == "memory" else violation.constraint
        return Claim(Reason.FINISHED, message=f"{word}: {violation.message}", solve_s=context.elapsed)
    objective, placement = min(feasible)
    return Claim(Reason.FINISHED, placement, objective, solve_s=context.elapsed)

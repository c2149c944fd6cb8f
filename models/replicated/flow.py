"""The tokens that a plan carries: the maximum flow from source to sink, by OR-Tools in whole units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.replicated.cost import capacities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.replicated.data import ReplicatedThroughput

#: Layers from the first number up to, but not with, the second; equal numbers, stated as (0, 0), are none.
Interval = tuple[int, int]
#: The interval of each node.
Placement = tuple[Interval, ...]
#: What the source and the sink are called among nodes.
SOURCE, SINK = -1, -2


@dataclass(frozen=True)
class Flow:
    """A maximum flow, in the units of `Capacities`.

    Parameters
    ----------
    value : int
        From source to sink.
    arcs : dict of (int, int) to int
        Over each arc that carries any, by indices of nodes, `SOURCE` and `SINK`.
    """

    value: int
    arcs: dict[tuple[int, int], int]

    def through(self, node: int) -> int:
        """Return what passes a node, by its index."""
        return sum(carried for (_, receiver), carried in self.arcs.items() if receiver == node)


def arcs(instance: ReplicatedThroughput, placement: Placement) -> Iterator[tuple[int, int, int]]:
    """Yield the arcs over which tokens may go, with what each carries.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes.
    placement : tuple of (int, int)
        The interval of each.

    Yields
    ------
    (int, int, int)
        Sender, receiver, units; only those that carry any.
    """
    costs = capacities(instance)
    link = costs.link.tolist()
    starts: dict[int, list[int]] = {}
    for i, (first, end) in enumerate(placement):
        if first < end:
            covered = range(first, end) if instance.partial_inference else (first,)
            for layer in covered:
                starts.setdefault(layer, []).append(i)
    for i, (first, end) in enumerate(placement):
        if first == end:
            continue
        if first == 0 and costs.source[i]:
            yield SOURCE, i, int(costs.source[i])
        if end == instance.layers:
            if costs.sink[i]:
                yield i, SINK, int(costs.sink[i])
            continue
        for j in starts.get(end, ()):
            if link[i][j]:
                yield i, j, link[i][j]


def maximum_flow(instance: ReplicatedThroughput, placement: Placement) -> Flow:
    """Return a maximum flow of a plan.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes.
    placement : tuple of (int, int)
        The interval of each.
    """
    from ortools.graph.python import max_flow

    costs, size = capacities(instance), instance.cluster.size
    found = list(arcs(instance, placement))
    if not found or not any(a == SOURCE for a, _, _ in found) or not any(b == SINK for _, b, _ in found):
        return Flow(0, {})
    # A node is an arc of its own, from i to size + i.
    source, sink = 2 * size, 2 * size + 1
    tails = [source if a == SOURCE else size + a for a, _, _ in found]
    heads = [sink if b == SINK else b for _, b, _ in found]
    most = [units for _, _, units in found]
    for i, (first, end) in enumerate(placement):
        if first < end:
            tails.append(i)
            heads.append(size + i)
            most.append(costs.node[i][end - first - 1])
    solver = max_flow.SimpleMaxFlow()
    solver.add_arcs_with_capacity(
        np.array(tails, dtype=np.int32), np.array(heads, dtype=np.int32), np.array(most, dtype=np.int64)
    )
    if solver.solve(source, sink) != solver.OPTIMAL:
        raise AssertionError("a maximum flow in 64 bits has an optimum")
    value = int(solver.optimal_flow())
    flows = solver.flows(np.arange(len(found), dtype=np.int32)) if value else []
    return Flow(
        value, {(a, b): int(units) for (a, b, _), units in zip(found, flows, strict=False) if units > 0}
    )

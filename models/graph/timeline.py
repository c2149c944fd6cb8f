"""When the parts of a graph are done with one sample, and the part that ends last.

A device that is no host takes all messages that come to it, computes all its nodes, and sends; nobody has any of its
results before. A host computes each node as soon as what it needs is there: cores are as many as nodes run at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.graph.cost import device_loads, loads
from placewise.models.graph.placement import overloads, placement_of
from placewise.models.problem import Evaluation, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from placewise.models.graph.cost import Loads
    from placewise.models.graph.data import GraphInstance, GraphLatency
    from placewise.models.graph.placement import Placement


@dataclass(frozen=True)
class Block:
    """What is done at once: all nodes of a device, or one node of a host.

    Parameters
    ----------
    device : int
        Where.
    start, compute, messages : int
        Ticks: when all that it needs is there, and how long it computes and sends or gets.
    waits_for : int
        The block that is done last of those that it needs; -1 where it needs none.
    """

    device: int
    start: int
    compute: int
    messages: int
    waits_for: int

    @property
    def done(self) -> int:
        """When its results are there, in ticks."""
        return self.start + self.compute + self.messages


def blocks_of(instance: GraphInstance, placement: Sequence[int]) -> list[int]:
    """Return the block of each node: a device's number, or M and the node's for one on a host.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    placement : sequence of int
        The device of each node.
    """
    size = instance.cluster.size
    return [size + v if d in instance.hosts else d for v, d in enumerate(placement)]


def timeline(instance: GraphInstance, placement: Sequence[int]) -> dict[int, Block]:
    """Return the blocks of a placement, in an order in which each comes after all that it needs.

    Parameters
    ----------
    instance : GraphInstance
        N nodes, M devices.
    placement : sequence of int
        The device of each node.

    Raises
    ------
    CycleError
        Where blocks need each other; its second argument are blocks in a circle.
    """
    times, size = loads(instance), instance.cluster.size
    block = blocks_of(instance, placement)
    before: dict[int, set[int]] = {b: set() for b in sorted(set(block))}
    for message in instance.messages:
        for target in message.targets:
            if block[target] != block[message.source]:
                before[block[target]].add(block[message.source])
    work = device_loads(instance, placement)
    found: dict[int, Block] = {}
    for b in TopologicalSorter(before).static_order():
        last = max(sorted(before[b]), key=lambda a: found[a].done, default=-1)
        start = found[last].done if before[b] else 0
        if b < size:
            found[b] = Block(b, start, *work[b], last)
        else:
            device = placement[b - size]
            found[b] = Block(device, start, int(times.compute[b - size, device]), 0, last)
    return found


def evaluate(instance: GraphLatency, placement: Any) -> Evaluation:
    """Evaluate a placement: the time of one sample.

    Parameters
    ----------
    instance : GraphLatency
        The instance.
    placement : object
        In any form that `placement_of` takes.

    Returns
    -------
    Evaluation
        Objective: seconds until all nodes are done, with its parts ``compute`` and ``messages`` along the way that takes
        longest. Broken may be ``memory`` of a device, and ``order``, where parts need each other: then there is no time.
    """
    placement, refusals = placement_of(instance, placement)
    if placement is None:
        return Evaluation(None, {}, refusals)
    violations = tuple(overloads(instance, placement))
    try:
        found = timeline(instance, placement)
    except CycleError as error:
        return Evaluation(None, {}, (*violations, _circle(instance, placement, error.args[1])))
    times = loads(instance)
    way = list(_longest(found))
    terms = {
        "compute": times.seconds(sum(block.compute for block in way)),
        "messages": times.seconds(sum(block.messages for block in way)),
    }
    return Evaluation(times.seconds(way[0].done), terms, violations)


def _longest(found: dict[int, Block]) -> Iterable[Block]:
    """Yield the blocks of the longest way, the last first."""
    at = max(found, key=lambda b: (found[b].done, -b))
    while at >= 0:
        yield found[at]
        at = found[at].waits_for


def _circle(instance: GraphLatency, placement: Placement, circle: Sequence[int]) -> Violation:
    size = instance.cluster.size
    devices = [b if b < size else placement[b - size] for b in circle]
    names = " -> ".join(instance.cluster.device_names[d] for d in devices)
    return Violation("order", "messages", f"parts need each other: {names}")


def at_best(compute: NDArray[np.int64], needs: ArrayLike, memory: NDArray[np.int64]) -> list[int]:
    """Return the least ticks of each node, on the devices that hold it, if any does.

    Parameters
    ----------
    compute : ndarray of int64, shape (N, M)
        Ticks of each node on each device.
    needs, memory : array_like of int, shapes (N,) and (M,)
        Bytes of nodes and devices.
    """
    fits = np.less_equal.outer(np.asarray(needs), memory)
    fits |= ~fits.any(axis=1, keepdims=True)
    least = compute.min(axis=1, where=fits, initial=np.iinfo(np.int64).max)
    return [int(ticks) for ticks in least]


def shortest_after(instance: GraphInstance, times: Loads) -> list[int]:
    """Return the ticks from each node's begin to the end of all that follows it, each node at its best.

    Parameters
    ----------
    instance, times : GraphInstance, Loads
        N nodes, and their times.
    """
    needs = [node.memory_bytes for node in instance.nodes]
    found = at_best(times.compute, needs, instance.cluster.memory_bytes)
    after: list[set[int]] = [set() for _ in found]
    for message in instance.messages:
        after[message.source].update(message.targets)
    for v in reversed(instance.order()):
        found[v] += max((found[w] for w in after[v]), default=0)
    return found


def floor_s(instance: GraphLatency) -> float:
    """Return a bound on the time of a sample: the longest way through the graph, each node at its best."""
    times = loads(instance)
    return times.seconds(max(shortest_after(instance, times)))

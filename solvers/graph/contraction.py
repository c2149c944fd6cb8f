"""Nodes that may go with another one at no loss, and the graph that is left, as bit masks and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.graph.cost import loads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.graph.data import GraphInstance


@dataclass(frozen=True, eq=False)
class Contracted:
    """A graph of groups of nodes.

    Parameters
    ----------
    groups : list of list of int
        The nodes of each of n groups, in an order in which all messages go forward.
    before : list of int
        Of each group, those that must be done before, as a bit mask.
    compute : ndarray of int64, shape (n, M)
        Ticks of each group on each device.
    size_bytes : ndarray of int64, shape (n,)
        Of each group.
    messages : list of (int, tuple of int, int)
        Group, the others that get it, ticks.
    """

    groups: list[list[int]]
    before: list[int]
    compute: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    messages: list[tuple[int, tuple[int, ...], int]]

    def placement(self, chosen: list[int], count: int) -> tuple[int, ...]:
        """Return the device of each node.

        Parameters
        ----------
        chosen : list of int
            The device of each group.
        count : int
            Number of nodes.
        """
        found = [0] * count
        for group, device in zip(self.groups, chosen, strict=True):
            for v in group:
                found[v] = device
        return tuple(found)


def contracted(instance: GraphInstance) -> Contracted:
    """Return the graph with free nodes beside their only neighbour: there they cost nothing, and save a message.

    That is exact for nodes that take no time on any device, where memory forbids nothing or they need none.

    Parameters
    ----------
    instance : GraphInstance
        N nodes.
    """
    times, count = loads(instance), len(instance.nodes)
    need = [node.memory_bytes for node in instance.nodes]
    roomy = sum(need) <= int(instance.cluster.memory_bytes.min())
    near: list[set[int]] = [set() for _ in range(count)]
    for message in instance.messages:
        for target in message.targets:
            near[message.source].add(target)
            near[target].add(message.source)
    idle = [not times.compute[v].any() and (roomy or not need[v]) for v in range(count)]
    into = list(range(count))
    waiting = [v for v in range(count) if idle[v]]
    while waiting:
        v = waiting.pop()
        if into[v] != v or len(near[v]) != 1:
            continue
        (u,) = near[v]
        into[v] = u
        near[u].discard(v)
        if idle[u]:
            waiting.append(u)

    def root(v: int) -> int:
        while into[v] != v:
            v = into[v]
        return v

    heads = [v for v in instance.order() if into[v] == v]
    number = {v: at for at, v in enumerate(heads)}
    groups: list[list[int]] = [[] for _ in heads]
    for v in range(count):
        groups[number[root(v)]].append(v)
    before = [0] * len(heads)
    messages = []
    for message, ticks in zip(instance.messages, times.message, strict=True):
        source = number[root(message.source)]
        targets = tuple(sorted({number[root(target)] for target in message.targets} - {source}))
        for target in targets:
            before[target] |= 1 << source
        if targets and ticks:
            messages.append((source, targets, ticks))
    return Contracted(
        groups,
        before,
        np.array([times.compute[group].sum(axis=0) for group in groups]),
        np.array([sum(need[v] for v in group) for group in groups], dtype=np.int64),
        messages,
    )

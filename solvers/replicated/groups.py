"""Nodes that can stand for one another: of one table, and in one region, within which links are no limit to a flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.replicated.cost import capacities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.replicated.data import ReplicatedThroughput


@dataclass(frozen=True, eq=False)
class Groups:
    """The nodes of an instance by table and region, for a flow.

    Parameters
    ----------
    flow : int
        In units of `Capacities`: two nodes are of one region where links that carry it lead from one to the other, in
        either direction, perhaps through others.
    rates : tuple of tuple of int
        Of each group: units with 1, 2, ... layers.
    region : tuple of int
        Of each group.
    nodes : tuple of tuple of int
        Of each group, by index.
    """

    flow: int
    rates: tuple[tuple[int, ...], ...]
    region: tuple[int, ...]
    nodes: tuple[tuple[int, ...], ...]

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Number of nodes of each group."""
        return np.array([len(nodes) for nodes in self.nodes], dtype=np.float64)

    @property
    def regions(self) -> int:
        """How many regions there are."""
        return max(self.region, default=-1) + 1


def groups(instance: ReplicatedThroughput, flow: int, *, links: bool = True) -> Groups:
    """Return the groups of an instance; nodes that can hold nothing are in none.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes.
    flow : int
        In units.
    links : bool
        Whether regions are told apart; else there is one.
    """
    costs, size = capacities(instance), instance.cluster.size
    if links:
        from scipy.sparse.csgraph import connected_components

        region = connected_components(costs.link >= flow, directed=True, connection="weak")[1].tolist()
    else:
        region = [0] * size
    found: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for i in range(size):
        if costs.node[i]:
            found.setdefault((region[i], costs.node[i]), []).append(i)
    order = {old: new for new, old in enumerate(dict.fromkeys(region for region, _ in found))}
    return Groups(
        flow,
        tuple(rates for _, rates in found),
        tuple(order[region] for region, _ in found),
        tuple(tuple(nodes) for nodes in found.values()),
    )


def slow_links(link: NDArray[np.int64], found: Groups, share: float) -> list[list[int]]:
    """Return what a link from one region to another carries, such that a share of those between them carries less.

    Parameters
    ----------
    link : ndarray, shape (M, M)
        Units from row to column.
    found : Groups
        The nodes of each region.
    share : float
        0 for the slowest link, 1 for the fastest.
    """
    members: list[list[int]] = [[] for _ in range(found.regions)]
    for region, nodes in zip(found.region, found.nodes, strict=True):
        members[region] += nodes

    def rate(ours: list[int], theirs: list[int]) -> int:
        rates = np.sort(link[np.ix_(ours, theirs)], axis=None)
        return int(rates[min(int(share * len(rates)), len(rates) - 1)])

    return [[rate(ours, theirs) for theirs in members] for ours in members]

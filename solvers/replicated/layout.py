"""From cells to a plan of nodes, and what a plan gains where equal nodes change places."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from placewise.models.replicated.flow import maximum_flow
from placewise.models.replicated.placement import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.models.replicated.flow import Placement
    from placewise.solvers.replicated.cells import Cell
    from placewise.solvers.replicated.groups import Groups


def laid_out(instance: ReplicatedThroughput, found: Groups, cells: Sequence[Cell]) -> Placement:
    """Return the plan of cells one after the other, nodes of a group in their order.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes.
    found : Groups
        The nodes of each group.
    cells : sequence of Cell
        That make all layers, and take no more nodes than there are.
    """
    plan, free, first = [NOTHING] * instance.cluster.size, [list(nodes) for nodes in found.nodes], 0
    for cell in cells:
        for chain in cell.chains:
            at = first
            for g, k in chain:
                plan[free[g].pop(0)] = (at, at + k)
                at += k
        first += cell.layers
    return tuple(plan)


def exchanged(
    instance: ReplicatedThroughput, found: Groups, plan: Placement, enough: int, late: Callable[[], bool]
) -> tuple[Placement, int]:
    """Return a plan with nodes of a group exchanged while that lets more pass, and its flow.

    Parameters
    ----------
    instance : ReplicatedThroughput
        Whose links differ.
    found : Groups
        Nodes of a group take one another's place.
    plan : tuple of (int, int)
        The interval of each node.
    enough : int
        Units at which to stop.
    late : callable
        Whether time is up.

    Returns
    -------
    (tuple of (int, int), int)
        The plan, and its flow in units.
    """
    best = maximum_flow(instance, plan).value
    improved = True
    while improved and best < enough:
        improved = False
        for nodes in found.nodes:
            for a, b in combinations(nodes, 2):
                if plan[a] == plan[b] or best >= enough or late():
                    continue
                swapped = list(plan)
                swapped[a], swapped[b] = plan[b], plan[a]
                value = maximum_flow(instance, tuple(swapped)).value
                if value > best:
                    plan, best, improved = tuple(swapped), value, True
    return plan, best

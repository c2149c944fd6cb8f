"""Closing a node of the tree by labels that keep memory exactly on the devices that its mixtures overload.

A mixture gains where one path uses more of a device than there is, and another one less. Labels (`path_labels`) keep the memory
of such devices, at the node's prices: what they find below the incumbent are paths for the master problem, whose
prices go into the next search, and what they do not find is a bound. Devices are tracked as the best path overloads them, so
few are. Whether labels end in time depends on the gap of the node above all, so deeper nodes may have more of them, and
nodes that stay open get a share of the time only.

Sources: Righini and Salani (2008), Baldacci, Christofides and Mingozzi (2008); smoothed prices, Wentges (1997).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.edgeshard.path_labels import PathLabels
from placewise.solvers.edgeshard.visit_nodes import billed

if TYPE_CHECKING:
    from placewise.solvers.edgeshard.path_master import Array, Mixture, Prices
    from placewise.solvers.edgeshard.path_pricing import Ints
    from placewise.solvers.edgeshard.visit_branching import VisitBranching
    from placewise.solvers.edgeshard.visit_nodes import Node

#: Searches per node; labels of one at the root, twice as many at each level below, and at most.
SEARCHES, FIRST_LABELS, LABELS = 40, 10_000, 400_000
#: Share of the best prices in those that are tried after the first; more where a search does not end, so often.
SMOOTHING, FAILURES = 0.5, 3
#: How near searches get to the master problem's value.
NEAR = 1e-5
#: How far above the bound the first search of a node goes, in its gap, and each one more after one that found nothing.
FIRST_STEP, LARGER = 0.25, 3.0
#: The weight of paths whose overloads are tracked at first, and where no others are left.
HEAVY, SOME = 0.3, 0.05
#: Devices that labels remember beside as many as shortest paths do.
MORE = 2
#: The share of all time that may go into nodes that stay open.
LOST = 0.3
#: Devices that are tracked at most.
MOST_TRACKED = 12


class Closing:
    """Searches of the nodes of one tree.

    Parameters
    ----------
    tree : VisitBranching
        Whose master problem, pricing and incumbent are used.
    """

    def __init__(self, tree: VisitBranching) -> None:
        self.tree = tree
        #: Spent on nodes that stayed open.
        self.lost_s = 0.0

    def close(self, node: Node, ends: Ints, mixture: Mixture) -> Mixture:
        """Raise a node's bound, to the incumbent if possible; return the last mixture.

        Parameters
        ----------
        node : Node
            That shortest paths have not closed.
        ends : ndarray of int, shape (N, M)
            Furthest ends of its runs.
        mixture : Mixture
            Of its paths.
        """
        begun_s, tracked = self.tree.context.elapsed, self._broken(node, mixture, HEAVY)
        decided = all(node.once[j] or node.twice[j] for j in tracked)
        if not tracked or not decided or self.lost_s > LOST * begun_s:
            return mixture
        mixture = self._raised(node, ends, mixture, tracked)
        if node.bound_s < self.tree.cutoff_s:
            self.lost_s += self.tree.context.elapsed - begun_s
        return mixture

    def _raised(self, node: Node, ends: Ints, mixture: Mixture, tracked: set[int]) -> Mixture:
        """Search with some devices tracked, at better and better prices; return the last mixture."""
        tree, prices = self.tree, node.prices
        gap_s, most = tree.cutoff_s - node.bound_s, min(FIRST_LABELS << node.depth, LABELS)
        step_s = FIRST_STEP * gap_s
        share, failed, worth_s = SMOOTHING, 0, np.inf
        for _ in range(SEARCHES):
            if node.bound_s >= tree.cutoff_s or len(tracked) > MOST_TRACKED or not tree.context.remaining:
                break
            if node.bound_s >= worth_s:  # the mixture is as good as the bound: only what it overloads is left
                more = self._broken(node, mixture, SOME) - tracked
                if not more:
                    break
                tracked, worth_s, prices = tracked | more, np.inf, node.prices
            # A little above the cutoff, so that rounding leaves no doubt whether a bound reaches it.
            until_s = min(node.bound_s + step_s, (tree.cutoff_s + tree.upper_s) / 2, worth_s)
            paths = self._searched(node, ends, prices, tuple(sorted(tracked)), until_s, most)
            if paths is None:
                failed += 1
                if prices is node.prices or failed > FAILURES:
                    break
                share = (1 + share) / 2
                prices = node.prices.towards(mixture.prices, share, gap_s)
                continue
            if not paths:
                step_s *= LARGER
                continue
            new = [tree.add(path) for path in paths]
            if not any(new) and prices is not node.prices:
                break
            tree.master.restrict(node, tuple(tracked))
            mixed = tree.master.solve()
            if mixed is None:
                break
            mixture, prices = mixed, node.prices.towards(mixed.prices, share, gap_s)
            worth_s = mixed.value_s * (1 - NEAR)
        return mixture

    def _searched(
        self, node: Node, ends: Ints, prices: Prices, tracked: tuple[int, ...], until_s: float, most: int
    ) -> list[tuple[int, ...]] | None:
        """Raise a node's bound by one search and return its paths; None if it did not end."""
        tree = self.tree
        bill = billed(node, prices, tree.master.covers, tree.budget, tree.upper_s)
        remembered = self._remembered(node, bill.charges.visit_s, tracked)
        found = PathLabels(tree.pricing, tracked, node.once).search(
            bill.charges, ends, remembered, until_s + bill.worth_s(tracked), most, tree.context
        )
        if found is None:
            return None
        bound_s = min(bill.bound_s(found.value_s, tracked), until_s)
        if bound_s > node.bound_s:
            node.bound_s, node.prices = bound_s, prices
            tree.context.report(dual_bound=min(bound_s, tree.bound_s))
        return found.paths

    def _remembered(self, node: Node, visit_s: Array, tracked: tuple[int, ...]) -> tuple[int, ...]:
        """Return the devices of one visit that labels remember: those of the node first, then the dearest."""
        dear = [j for j in np.argsort(-visit_s, kind="stable").tolist() if node.once[j] and visit_s[j] > 0]
        wanted = [j for j in dict.fromkeys([*node.remembered, *dear]) if j not in tracked]
        return tuple(wanted[: self.tree.pricing.most + MORE])

    def _broken(self, node: Node, mixture: Mixture, share: float) -> set[int]:
        """Return devices that more than a share of a mixture overloads, or visits again although it is not to."""
        broken = (mixture.used > self.tree.budget) | ((mixture.visits > 1) & node.once)
        much = mixture.weight @ broken > share
        much[list(node.remembered)] = False
        return set(np.flatnonzero(much).tolist())

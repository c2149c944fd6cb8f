"""Latency with layers that differ: branch and price on how often a placement visits each device.

A placement is a path of runs, layers in a row on one device, each of which fits its device alone; that a device's runs fit
it together (Eq. 5) is left to a linear master problem over whole paths (`path_master`). Its prices go into a shortest path
over (layer, device) (`lagrangian.RunPaths`), which yields the next path, and a bound at any prices ``p, v >= 0``:
``min over paths of (cost + sum_j p_j used_j + v_j visits_j) - sum_j p_j Mem_j - sum_j v_j most_j``, with the sign of v
turned where a device is to be visited at least so often. So every bound holds whatever HiGHS answers, up to the rounding
of the sums, which is taken off.

Mixtures gain by visiting a fast device again and again. Each device is visited at most once or at least twice: that splits
the placements of a node in two without losing one, and either side makes the mixture pay. Mixtures also gain by a path that
uses more of a device than there is, beside one that uses less: where branching has decided on the devices that a mixture
overloads, labels that keep their memory raise the node's bound, or close it (`visit_closing`). Where no device can be split
so, a layer is on a device or not, which ends in single placements. So the tree is finite and every placement is in a leaf
that a bound has closed, or has been evaluated.

Sources: branch and price, Barnhart, Johnson, Nemhauser, Savelsbergh and Vance (1998); smoothed prices, Wentges (1997);
prices and paths, Dantzig and Wolfe (1960).
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.edgeshard.memory import require_shared_with_first
from placewise.models.edgeshard.placement import evaluate_latency
from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard.lagrangian import RunPaths
from placewise.solvers.edgeshard.path_master import PathMaster, Prices
from placewise.solvers.edgeshard.path_pricing import PathPricing
from placewise.solvers.edgeshard.run_ends import best_ends
from placewise.solvers.edgeshard.visit_closing import Closing
from placewise.solvers.edgeshard.visit_nodes import Node, billed, broken_covers, children
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.edgeshard.path_master import Array, Mixture
    from placewise.solvers.execution.context import Context

#: Steps of one shortest path from run to run.
LARGEST_TABLE = 100_000_000
#: Share of the best prices in those that are tried; 0 are the master's.
SMOOTHING = 0.7
#: Shortest paths per node, and how near bound and master get, as a share of the cost.
ROUNDS, NEAR = 150, 1e-7
#: Penalty of what is too much, in costs of a placement: with a known one, and without.
PENALTY, FIRST_PENALTY = 10.0, 1e4
#: The weight of paths in whose order placements are looked for.
HEAVY = 0.2
#: The last of them after which rows and remembered visits are added.
LAST_CUT = 80


def guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT.

    Raises
    ------
    NotApplicableError
        For shared tensors that are not layer 0's and one other layer's, and where tables are too large.
    """
    require_shared_with_first(instance)
    devices, layers = instance.cluster.size, len(instance.layers)
    if layers * devices * (devices + layers) > LARGEST_TABLE:
        raise NotApplicableError(
            f"branch and price takes up to {LARGEST_TABLE:.0e} steps per path; {layers} layers on {devices} devices are "
            f"{layers * devices * (devices + layers):.0e}"
        )
    return Guarantee.EXACT


class VisitBranching:
    """The search of one instance.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """

    def __init__(self, instance: EdgeShardInstance, context: Context) -> None:
        self.instance, self.context, self.paths = instance, context, RunPaths(instance)
        self.count, self.size = self.paths.count, self.paths.size
        self.budget = self.paths.budget.astype(np.float64)
        self.best: tuple[int, ...] | None = None
        costs = self.paths.costs
        most_s = [
            float(times[np.isfinite(times)].max(initial=0.0))
            for times in (costs.delays_s, costs.return_delay_s)
        ]
        longest_s = float(costs.compute_s.max(axis=1).sum()) + self.count * most_s[0] + most_s[1]
        #: More than any placement costs, then what the best one does.
        self.upper_s = 1.01 * longest_s + costs.tick_s
        #: Layers and devices that no run joins are barred from the start.
        steps = np.arange(self.count)[:, None]
        self.closed = self.paths.last_end <= steps
        self.closed[0] |= np.arange(self.size) != self.paths.source
        self.closed_s = np.inf
        self.pricing = PathPricing(self.paths)
        self.closing = Closing(self)
        self.nodes: list[Node] = []
        self.mended: set[tuple[int, ...]] = set()
        self.made = self.solved = 0
        #: Another method's bound, of all placements.
        self.known_s = -np.inf

    def begin(self) -> None:
        """Make the root, with what is known of placements and bounds by then."""
        self.master = PathMaster(
            self.paths.budget, self.upper_s, PENALTY if self.best is not None else FIRST_PENALTY
        )
        if self.best is not None:
            self.add(self.best)
        none, zero = np.zeros(self.size, dtype=bool), np.zeros(self.size)
        everywhere = none | self.instance.rules.contiguous
        self._push(Node(self.known_s, 0, everywhere, none, self.closed, Prices(zero, zero, zero[:0])))

    def grow(self, until_s: float) -> None:
        """Expand nodes until none is open, or until a time of the context's clock.

        Parameters
        ----------
        until_s : float
            Seconds.
        """
        while self.open and self.context.remaining and self.context.elapsed < until_s:
            self._expand(heapq.heappop(self.nodes))
            self.context.report(dual_bound=self.bound_s)

    def claim(self, message: str) -> Claim:
        """Return what is known by now."""
        if self.best is None and not self.open:
            return Claim(Reason.INFEASIBLE, message=message, solve_s=self.context.elapsed)
        objective = None if self.best is None else self.upper_s
        reason = Reason.LIMIT if self.open else Reason.OPTIMAL
        bound_s = self.bound_s if np.isfinite(self.bound_s) else None
        return Claim(reason, self.best, objective, bound_s, message, solve_s=self.context.elapsed)

    @property
    def open(self) -> bool:
        """Whether a node may hold something that is wanted."""
        return bool(self.nodes) and self.nodes[0].bound_s < self.cutoff_s

    @property
    def bound_s(self) -> float:
        """The least bound of what is open or closed."""
        tree_s = min(self.closed_s, self.nodes[0].bound_s if self.nodes else np.inf)
        bound_s: float = min(self.upper_s, max(tree_s, self.known_s))
        return self.upper_s if bound_s >= self.upper_s - self.paths.costs.tick_s / 2 else bound_s

    @property
    def cutoff_s(self) -> float:
        """The bound from which on a node holds nothing that is wanted; all costs are multiples of the tick."""
        gap = self.context.parameters.relative_gap if self.best is not None else 0.0
        cutoff_s: float = self.upper_s - max(gap * self.upper_s, self.paths.costs.tick_s / 2)
        return cutoff_s

    def offer(self, placement: tuple[int, ...]) -> None:
        """Take a path as the incumbent if it is a placement, and better.

        Parameters
        ----------
        placement : tuple of int
            The device of each layer.
        """
        known = evaluate_latency(self.instance, placement)
        if known.feasible and known.objective is not None and known.objective < self.upper_s:
            self.best, self.upper_s = placement, known.objective
            self.context.report(objective=known.objective, placement=placement)

    def _push(self, node: Node) -> None:
        self.made += 1
        node.number = -self.made
        heapq.heappush(self.nodes, node)

    def add(self, path: tuple[int, ...]) -> bool:
        """Tell the master of a path, and offer it where it is a placement; return whether it was new.

        Parameters
        ----------
        path : tuple of int
            The device of each layer.
        """
        if path in self.master.known:
            return False
        cost_s = evaluate_latency(self.instance, path).objective
        if cost_s is None:
            return False
        used, visits = self.measured(path)
        if cost_s < self.upper_s:
            self.offer(path)
        return self.master.add(path, cost_s, used, visits)

    def measured(self, path: tuple[int, ...]) -> tuple[Array, Array]:
        """Return the bytes and the runs of a path on each device.

        Parameters
        ----------
        path : tuple of int
            The device of each layer.
        """
        need = self.paths.need[np.arange(self.count), path].astype(np.float64)
        used: Array = np.bincount(path, weights=need, minlength=self.size).astype(np.float64)
        begun = np.append(True, np.diff(path) != 0)
        return used, np.bincount(np.array(path)[begun], minlength=self.size).astype(np.float64)

    def _expand(self, node: Node) -> None:
        """Bound a node, and split it if that does not close it."""
        self.solved += 1
        mixed = self._bounded(node)
        self._mend(mixed)
        if node.bound_s < self.cutoff_s and mixed is not None:
            mixed = self.closing.close(node, self._ends(node), mixed)
        if not self.context.remaining:
            self._push(node)
        elif node.bound_s >= self.cutoff_s:
            self.closed_s = min(self.closed_s, node.bound_s)
        elif node.only is not None:
            self.offer(node.only)
        elif not node.barred.all(axis=1).any():
            for child in children(node, mixed):
                self._push(child)

    def _mend(self, mixed: Mixture | None) -> None:
        """Look for placements with the runs of the heaviest paths, in their order."""
        for weight, path in () if mixed is None else zip(mixed.weight, mixed.paths, strict=True):
            order = tuple(int(path[i]) for i in range(self.count) if not i or path[i] != path[i - 1])
            if weight >= HEAVY and order not in self.mended and self.context.remaining:
                self.mended.add(order)
                placement = best_ends(self.paths, order)
                if placement is not None:
                    self.add(placement)

    def _bounded(self, node: Node) -> Mixture | None:
        """Raise a node's bound until it is closed or the master says no more; return the last mixture."""
        ends, mixture = self._ends(node), None
        self.master.restrict(node)
        for turn in range(ROUNDS):
            new = False
            mixture = self.master.solve() if turn else None
            if turn and mixture is None:
                break
            near = mixture is not None and mixture.value_s - node.bound_s <= NEAR * self.upper_s
            for share in () if near else (SMOOTHING, 0.0) if turn else (1.0,):
                prices = node.prices if mixture is None else node.prices.towards(mixture.prices, share)
                bill = billed(node, prices, self.master.covers, self.budget, self.upper_s)
                value_s, path = self.pricing.best(bill.charges, ends, node.remembered)
                bound_s = bill.bound_s(value_s)
                if bound_s > node.bound_s:
                    node.bound_s, node.prices = bound_s, prices
                    self.context.report(dual_bound=min(bound_s, self.bound_s))
                new = path is not None and self.add(path)
                if node.bound_s >= self.cutoff_s or not self.context.remaining:
                    return mixture
                if new:
                    break
            if mixture is not None and not new and not self._tightened(node, mixture, turn):
                break
        return mixture

    def _tightened(self, node: Node, mixture: Mixture, turn: int) -> bool:
        """Remember devices that paths visit again although they are not to be, or add covers; return whether it helps."""
        if turn > LAST_CUT:
            return False
        again = mixture.weight @ (mixture.visits > 1) * node.once
        dear = [
            j for j in np.argsort(-again, kind="stable").tolist() if again[j] > 0 and j not in node.remembered
        ]
        more = tuple(dear[: self.pricing.most - len(node.remembered)])
        if more:
            node.remembered += more
            self.master.restrict(node)
            return True
        covers = broken_covers(mixture, self.paths.need, self.paths.budget)
        for cover in covers:
            self.master.cover(cover)
        return bool(covers)

    def _ends(self, node: Node) -> NDArray[np.intp]:
        """Return the furthest ends of runs: before a barred layer, and with room for another run where there is one."""
        stop = np.where(node.barred, np.arange(self.count)[:, None], self.count)
        ends = np.minimum(self.paths.last_end, np.minimum.accumulate(stop[::-1])[::-1])
        for j in np.flatnonzero(node.twice).tolist():
            before = self.paths.memory_before[:, j]
            room = before[:-1] + self.paths.budget[j] - self.paths.need[:, j].min()
            ends[:, j] = np.minimum(ends[:, j], np.searchsorted(before, room, side="right") - 1)
        return ends

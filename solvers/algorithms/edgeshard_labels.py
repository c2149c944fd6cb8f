"""The latency DP repaired: each label keeps the memory that its own path has used, so Eq. 5 holds for it.

Best first: the next label is the one whose cost so far plus a Lagrangian completion bound is least, so the first
unexpanded bound is a dual bound at any time. Exact for any layers and links, revisits included.
"""

from __future__ import annotations

import heapq
import math
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

from placewise.models.edgeshard.cost import latency_costs
from placewise.solvers.algorithms.edgeshard_baselines import cloud_edge_opt, greedy
from placewise.solvers.algorithms.edgeshard_lagrangian import best_bound
from placewise.solvers.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.run import Run

#: Labels kept at most, about 2 GB.
LARGEST_COUNT = 3_000_000


class Label(NamedTuple):
    """A path through the layers up to one of them; ordered by its bound.

    Parameters
    ----------
    bound : float
        No placement that continues the path costs less.
    number : int
        Its position in the list of all labels, where its path is kept; also breaks ties.
    layer, device : int
        Where the path ends.
    cost : float
        Compute and transfers so far.
    free : tuple of int
        Bytes left on each device, as later layers see them.
    """

    bound: float
    number: int
    layer: int
    device: int
    cost: float
    free: tuple[int, ...]


class LabelSearch:
    """Best-first search over labels with dominance between equal memory states."""

    def __init__(self, instance: EdgeShardInstance, run: Run) -> None:
        self.run = run
        self.incumbent, self.upper = self._first_incumbent(instance)
        root = best_bound(instance, run, self.upper)
        costs = latency_costs(instance)
        self.need = [int(size) for size in instance.memory_bytes]
        self.last = len(self.need) - 1
        # The smallest and the sum of all needs after each layer.
        self.least = [min(self.need[i + 1 :], default=0) for i in range(len(self.need))]
        self.rest = [sum(self.need[i + 1 :]) for i in range(len(self.need))]
        self.price: list[float] = root.price_s.tolist()
        self.to_go: list[list[float]] = root.to_go_s.tolist()
        self.compute: list[list[float]] = costs.compute_s.tolist()
        self.hop: list[list[list[float]]] = [costs.transfer_s(i).tolist() for i in range(self.last)]
        self.returns: list[float] = costs.return_s.tolist()
        # Costs are multiples of the tick: what is not below by half of it is not below.
        self.margin = costs.tick_s / 2
        self.expanded = 0
        source = instance.source
        budget = [int(size) for size in instance.cluster.memory_bytes]
        budget[source] -= self.need[0]
        # Per label its device and its parent's number.
        self.tree: list[tuple[int, int]] = [(source, -1)]
        self.best_cost: dict[tuple[int, int, tuple[int, ...]], float] = {}
        start = Label(root.dual_bound, 0, 0, source, self.compute[0][source], tuple(budget))
        self.heap = [start] if budget[source] >= 0 else []
        if self.last == 0 and self.heap:
            self._complete((source,), start.cost + self.returns[source])

    def search(self) -> Claim:
        """Expand labels until none can beat the incumbent."""
        while self.heap and self.heap[0].bound < self.upper - self.margin:
            if self.expanded % 256 == 0 and (not self.run.remaining or len(self.tree) > LARGEST_COUNT):
                limit = "the time limit" if not self.run.remaining else f"{LARGEST_COUNT:,} labels"
                return self._claim(Reason.LIMIT, self.heap[0].bound, f"stopped at {limit}")
            label = heapq.heappop(self.heap)
            self.expanded += 1
            self.run.report(dual_bound=label.bound)
            if label.cost <= self.best_cost.get((label.layer, label.device, label.free), math.inf):
                self._expand(label)
        if self.incumbent is None:
            return self._claim(Reason.INFEASIBLE, None, "no label reaches the last layer")
        return self._claim(Reason.OPTIMAL, self.upper, f"{self.expanded:,} labels expanded")

    def _expand(self, label: Label) -> None:
        following = label.layer + 1
        hop, compute, need = (
            self.hop[label.layer][label.device],
            self.compute[following],
            self.need[following],
        )
        for j, space in enumerate(label.free):
            cost = label.cost + hop[j] + compute[j]
            if space < need or not cost < self.upper:
                continue
            if following == self.last:
                if cost + self.returns[j] < self.upper:
                    self._complete((*self._path(label.number), j), cost + self.returns[j])
                continue
            free = self._canonical(following, (*label.free[:j], space - need, *label.free[j + 1 :]))
            key = (following, j, free)
            if self.best_cost.get(key, math.inf) <= cost:
                continue
            priced = cost + self.to_go[following][j] - sum(map(mul, self.price, free))
            bound = max(priced, label.bound)
            if bound < self.upper - self.margin:
                self.best_cost[key] = cost
                self.tree.append((j, label.number))
                heapq.heappush(self.heap, Label(bound, len(self.tree) - 1, following, j, cost, free))

    def _canonical(self, layer: int, free: tuple[int, ...]) -> tuple[int, ...]:
        """Free memory as later layers see it: too little for any is none, more than all need is all."""
        least, rest = self.least[layer], self.rest[layer]
        return tuple(0 if space < least else min(space, rest) for space in free)

    def _complete(self, placement: tuple[int, ...], cost: float) -> None:
        if cost < self.upper:
            self.incumbent, self.upper = placement, cost
            self.run.report(objective=cost, placement=placement)

    def _path(self, number: int) -> tuple[int, ...]:
        path = []
        while number >= 0:
            device, number = self.tree[number]
            path.append(device)
        return tuple(reversed(path))

    def _first_incumbent(self, instance: EdgeShardInstance) -> tuple[tuple[int, ...] | None, float]:
        best, upper = None, math.inf
        for heuristic in (greedy, cloud_edge_opt):
            claim = heuristic(instance, self.run)
            if claim.placement is not None and claim.objective is not None and claim.objective < upper:
                best, upper = claim.placement, claim.objective
                self.run.report(objective=upper, placement=best)
        return best, upper

    def _claim(self, reason: Reason, bound: float | None, message: str) -> Claim:
        objective = None if self.incumbent is None else self.upper
        return Claim(reason, self.incumbent, objective, bound, message, solve_s=self.run.elapsed)


def run(instance: EdgeShardInstance, run: Run) -> Claim:
    """Search the labels of an instance."""
    return LabelSearch(instance, run).search()

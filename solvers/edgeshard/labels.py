"""The latency DP repaired: each label keeps the memory that its own path has used, so Eq. 5 holds for it.

A label is a sequence of runs. Its cost so far plus a Lagrangian completion bound orders the search, best first, so
the next bound is a dual bound at any time; local search over chains gives the placement to beat. Exact for any layers
and links, revisits included; where the time or the memory for labels ends first, the gap is known.

Sources: label setting under resource constraints, Desrochers and Soumis (1988), Irnich and Desaulniers (2005); best-first
by a lower bound on the completion, Hart, Nilsson and Raphael (1968).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

from placewise.models.edgeshard import evaluate_latency
from placewise.models.edgeshard.memory import require_shared_with_first
from placewise.models.edgeshard.rules import PINNED
from placewise.models.problem import Guarantee
from placewise.solvers.edgeshard.baselines import cloud_edge_opt, greedy
from placewise.solvers.edgeshard.chains import ChainSearch
from placewise.solvers.edgeshard.lagrangian import PricedBound, RunPaths
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context

#: Labels kept at most, about 2 GB.
LARGEST_COUNT = 3_000_000
#: The share of the remaining time that the local search may take.
CHAIN_SHARE = 0.3


class Label(NamedTuple):
    """A sequence of runs; ordered by its bound.

    Parameters
    ----------
    bound : float
        No placement that continues it costs less.
    number : int
        Its position in the list of all labels, where its path is kept; also breaks ties.
    placed : int
        How many layers it has placed.
    device : int
        Of the last run.
    cost : float
        Compute and transfers so far.
    free : tuple of int
        Bytes left on each device, as later layers see them; where rules count layers, also how many each may still
        take, and how many it still must.
    """

    bound: float
    number: int
    placed: int
    device: int
    cost: float
    free: tuple[int, ...]


class LabelSearch:
    """Search over labels with dominance between equal memory states.

    Parameters
    ----------
    instance : EdgeShardInstance
        N layers, M devices.
    context : Context
        Clock, warm start, and where bounds and placements are reported.
    most : int
        Labels kept at most.
    chain_share : float
        The share of the time that the local search may take.
    """

    def __init__(
        self,
        instance: EdgeShardInstance,
        context: Context,
        most: int | None = None,
        chain_share: float = CHAIN_SHARE,
    ) -> None:
        self.most = LARGEST_COUNT if most is None else most
        self.instance, self.context, self.chain_share = instance, context, chain_share
        self.incumbent: tuple[int, ...] | None = None
        self.upper = math.inf
        paths = RunPaths(instance)
        self.margin = paths.costs.tick_s / 2  # costs are multiples of the tick
        self.root = self._root(paths)
        self.count, self.size = paths.count, paths.size
        # By device: what layers need there, and the smallest and the sum of all needs from each layer on.
        self.need: list[list[int]] = paths.need.T.tolist()
        self.least = [[min(need[i:], default=0) for need in self.need] for i in range(self.count + 1)]
        self.rest = [[sum(need[i:]) for need in self.need] for i in range(self.count + 1)]
        self.price: list[float] = self.root.price_s.tolist()
        self.to_go: list[list[float]] = self.root.to_go_s.tolist()
        self.time_before: list[list[float]] = paths.time_before.T.tolist()
        self.hop: list[list[list[float]]] = [paths.costs.transfer_s(i).tolist() for i in range(self.count)]
        rules = instance.rules
        self.contiguous = rules.contiguous
        self.least_layers: list[int] = rules.least(self.size).tolist()
        self.most_layers: list[int] = rules.most(self.size, self.count).tolist()
        self.counted = bool(rules.asked - {PINNED})
        self.furthest: list[list[int]] = paths.last_end.tolist()
        self.expanded = 0
        # Per label its device, the layers placed, and its parent's number.
        self.tree: list[tuple[int, int, int]] = []
        self.best_cost: dict[tuple[int, int, tuple[int, ...]], float] = {}
        self.heap: list[Label] | None = None

    def search(self, until_s: float = math.inf) -> Claim:
        """Expand labels until none can beat the incumbent; called again, go on.

        Parameters
        ----------
        until_s : float
            Of the context's clock, when to pause.
        """
        if self.heap is None:
            self.heap = list(self._roots())
            heapq.heapify(self.heap)
        heap = self.heap
        while heap and self._open(heap[0].bound):
            if self.expanded % 64 == 0:
                if not self.context.remaining or self.context.elapsed >= until_s:
                    return self._claim(Reason.LIMIT, heap[0].bound, "stopped at the time limit")
                if len(self.tree) > self.most:
                    claim = self._claim(Reason.LIMIT, heap[0].bound, f"stopped at {self.most:,} labels")
                    return replace(claim, limit="labels")
            label = heapq.heappop(heap)
            self.expanded += 1
            self.context.report(dual_bound=label.bound)
            for child in self._children(label):
                heapq.heappush(heap, child)
        if self.incumbent is None:
            return self._claim(Reason.INFEASIBLE, None, "no label reaches the last layer")
        bound = min(self.upper, heap[0].bound if heap else self.upper)
        if bound >= self.upper - self.margin:
            bound = self.upper
        return self._claim(Reason.OPTIMAL, bound, f"{self.expanded:,} labels expanded")

    def _open(self, bound: float) -> bool:
        """Whether a bound leaves more than the gap that counts as none, or than half a tick."""
        gap = self.context.parameters.relative_gap * self.upper if self.incumbent else 0.0
        return bound < self.upper - max(self.margin, gap)

    def _roots(self) -> Iterator[Label]:
        """Yield the first runs, which are on the source (Eq. 4)."""
        budget = tuple(int(size) for size in self.instance.cluster.memory_bytes)
        if self.counted:
            budget += (*self.most_layers, *self.least_layers)
        return self._runs(
            Label(self.root.dual_bound, -1, 0, -1, 0.0, budget), self.instance.source_index, 0.0
        )

    def _children(self, label: Label) -> Iterator[Label]:
        """Yield the labels with one run more, unless a cheaper label has reached the same state since."""
        if label.cost > self.best_cost.get((label.placed, label.device, label.free), math.inf):
            return
        hop = self.hop[label.placed - 1][label.device]
        for device in range(self.size):
            if device != label.device and label.cost + hop[device] < self.upper:
                yield from self._runs(label, device, hop[device])

    def _runs(self, label: Label, device: int, hop: float) -> Iterator[Label]:
        """Yield the label continued by runs of every length that fits on a device."""
        time_before, space, need = self.time_before[device], label.free[device], self.need[device]
        start_cost = label.cost + hop - time_before[label.placed]
        stop = self.furthest[label.placed][device]
        if self.counted:
            stop = min(stop, label.placed + label.free[self.size + device])
        for end in range(label.placed + 1, stop + 1):
            space -= need[end - 1]
            cost = start_cost + time_before[end]
            if space < 0 or not cost < self.upper:
                return
            free = (*label.free[:device], space, *label.free[device + 1 :])
            if self.counted:
                counted = self._counted(free, device, end - label.placed, end)
                if counted is None:
                    continue
                free = counted
            if end == self.count:
                self._complete(label.number, device, cost + self.to_go[end][device])
                return
            free = self._canonical(end, free)
            key = (end, device, free)
            if self.best_cost.get(key, math.inf) <= cost:
                continue
            priced = cost + self.to_go[end][device] - sum(map(mul, self.price, free))
            bound = max(priced, label.bound)
            if bound < self.upper - self.margin:
                self.best_cost[key] = cost
                self.tree.append((device, end, label.number))
                yield Label(bound, len(self.tree) - 1, end, device, cost, free)

    def _canonical(self, placed: int, free: tuple[int, ...]) -> tuple[int, ...]:
        """Free memory as later layers see it: too little for any is none, more than all need is all."""
        least, rest = self.least[placed], self.rest[placed]
        seen = tuple(
            0 if space < low else min(space, most)
            for space, low, most in zip(free[: self.size], least, rest, strict=True)
        )
        if not self.counted:
            return seen
        layers = self.count - placed
        return (
            *seen,
            *(min(left, layers) for left in free[self.size : 2 * self.size]),
            *free[2 * self.size :],
        )

    def _counted(self, free: tuple[int, ...], device: int, taken: int, end: int) -> tuple[int, ...] | None:
        """Return what is left after a run of so many layers; None where a device can no longer get what it must."""
        left = list(free)
        may, must = self.size + device, 2 * self.size + device
        left[may], left[must] = left[may] - taken, max(left[must] - taken, 0)
        if self.contiguous:
            if left[must]:
                return None
            left[device] = left[may] = 0
        return tuple(left) if sum(left[2 * self.size :]) <= self.count - end else None

    def _complete(self, number: int, device: int, cost: float) -> None:
        if not cost < self.upper:
            return
        path: list[int] = []
        end = self.count
        while True:  # from the last run back to the first
            start = self.tree[number][1] if number >= 0 else 0
            path[:0] = [device] * (end - start)
            if number < 0:
                break
            end = start
            device, _, number = self.tree[number]
        self.offer(tuple(path), cost)

    def _root(self, paths: RunPaths) -> PricedBound:
        """Return the best root bound found, after heuristics and bound have helped each other."""
        if self.context.warm_start is not None:
            known = evaluate_latency(self.instance, self.context.warm_start)
            if known.feasible and known.objective is not None:
                self.offer(tuple(self.context.warm_start), known.objective)
        for heuristic in (greedy, cloud_edge_opt):
            claim = heuristic(self.instance, self.context)
            if claim.placement is not None and claim.objective is not None:
                self.offer(claim.placement, claim.objective)
        root = paths.best_bound(self.context, self.upper)
        if not self._open(root.dual_bound):
            return root
        search = ChainSearch(self.instance, self.context)
        path = paths.bound(root.price_s)[1] or (self.instance.source_index,)
        for start in (path, self.incumbent or path):
            until = self.context.elapsed + self.chain_share / 2 * self.context.remaining
            search.search(tuple(dict.fromkeys(start)), until, self.context.parameters.seed)
        if search.best and evaluate_latency(self.instance, search.placement(search.best)).feasible:
            self.offer(search.placement(search.best), search.best_s)
        return max(root, paths.best_bound(self.context, self.upper), key=lambda bound: bound.dual_bound)

    def offer(self, placement: tuple[int, ...], cost: float) -> None:
        """Take a placement as the incumbent if it is better.

        Parameters
        ----------
        placement : tuple of int
            One that is feasible.
        cost : float
            Its seconds.
        """
        if cost < self.upper:
            self.incumbent, self.upper = placement, cost
            self.context.report(objective=cost, placement=placement)

    def _claim(self, reason: Reason, bound: float | None, message: str) -> Claim:
        objective = None if self.incumbent is None else self.upper
        return Claim(reason, self.incumbent, objective, bound, message, solve_s=self.context.elapsed)


def guarantee(instance: EdgeShardInstance) -> Guarantee:
    """Return EXACT; raise `NotApplicableError` for shared tensors that are not layer 0's and one other layer's."""
    require_shared_with_first(instance)
    return Guarantee.EXACT


def run(instance: EdgeShardInstance, context: Context) -> Claim:
    """Search the labels of an instance.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    return LabelSearch(instance, context).search()

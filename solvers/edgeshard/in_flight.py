"""Micro-batches in flight: number, batch size and pipeline chosen together, exactly, by branch and bound on the number.

A node is a batch size m and an interval of numbers a..b. All its pipelines fit in memory with a micro-batches, and none
is faster than with b, so ``max(T*(a), Lambda / b) / m`` bounds them: T*(a) is the least bottleneck in the memory that a
leaves, Lambda at first what the equations say. The node with the least bound is taken next: its T*(a) is found, then it
is halved; a single number is decided by CP-SAT on the pipeline's model with the cycle's row. Every pipeline found is
offered with the number that suits it best. Source: branch and bound, Land and Doig (1960).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.batch_placement import cycle_s, evaluate, placement_with
from placewise.models.edgeshard.cost import bottleneck_floor_s, latency_floor_s, time_tables
from placewise.models.edgeshard.pipeline_cycle import Flight
from placewise.models.errors import NotApplicableError
from placewise.models.time_range import require_whole_numbers
from placewise.solvers.edgeshard.cpsat import strongest_model
from placewise.solvers.edgeshard.single_flights import best_number, least_latency, part_of
from placewise.solvers.edgeshard.sources import over_sources
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.whole_model import run_whole_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardBatch, EdgeShardInstance, EdgeShardThroughput
    from placewise.solvers.execution.context import Context

    #: ``(pipeline's instance, bound that is enough) -> what the best method says about its bottleneck``.
    Bottleneck = Callable[[EdgeShardThroughput, float], Claim]

#: Of the time that is left, for the least latency of one batch size.
LATENCY_SHARE = 0.25


@dataclass(frozen=True, order=True)
class Node:
    """A batch size with an interval of numbers in flight.

    Parameters
    ----------
    bound_s : float
        Seconds per token that none of its placements beats.
    order : int
        Earlier ones go first.
    batch_size, first, last : int
        Sequences in a micro-batch; positions in the instance's `counts`.
    bottleneck_s : float or None
        The least bottleneck in the memory of the first, once it is known.
    """

    bound_s: float
    order: int
    batch_size: int
    first: int
    last: int
    bottleneck_s: float | None = None


class Search:
    """Branch and bound on one instance.

    Parameters
    ----------
    instance : EdgeShardBatch
        With micro-batches in flight.
    context : Context
        Options, clock, warm start and where progress goes.
    bottleneck : callable
        Finds the least bottleneck of one choice.
    """

    def __init__(self, instance: EdgeShardBatch, context: Context, bottleneck: Bottleneck) -> None:
        self.instance, self.context, self._bottleneck = instance, context, bottleneck
        self.best: Any = None
        self.best_s = math.inf
        self._order, self._open = count(), list[Node]()
        #: Bounds of what could not be decided.
        self._undecided: list[float] = []
        self._messages: list[str] = []
        #: Bounds on bottleneck and round trip by batch size, and the sizes whose round trip was solved for.
        self._floors: dict[int, tuple[float, float]] = {}
        self._waited: set[int] = set()
        sizes: dict[int, int] = {}
        for _, size in instance.choices:
            sizes[size] = sizes.get(size, 0) + 1
        for size, numbers in sizes.items():  # the numbers that fit are the first of all
            pipe = instance.at(size)
            self._floors[size] = bottleneck_floor_s(pipe), latency_floor_s(pipe)
            self._push(size, 0, numbers - 1)
        if context.warm_start is not None:
            self._keep(context.warm_start)

    def run(self) -> Claim:
        """Return the best placement, with the least bound of what is left open."""
        context = self.context
        while self._open and self._open[0].bound_s < self._cutoff_s:
            if not context.remaining:
                break
            node = heapq.heappop(self._open)
            if self._bound_s(node.batch_size, node.last, node.bottleneck_s or 0.0) > node.bound_s:
                self._push(node.batch_size, node.first, node.last, node.bottleneck_s)
            elif node.bottleneck_s is None:
                self._bound(node)
            elif node.first < node.last:
                middle = (node.first + node.last) // 2
                self._push(node.batch_size, node.first, middle, node.bottleneck_s)
                self._push(node.batch_size, middle + 1, node.last, floor_s=node.bottleneck_s)
            elif node.batch_size not in self._waited:
                self._wait(node.batch_size)
                heapq.heappush(self._open, node)
            else:
                self._decide(node)
            context.report(self._value, self.bound_s, self.best)
        if not self._open and not self._undecided and self.best is None:
            return Claim(Reason.INFEASIBLE, message="no choice has a pipeline", solve_s=context.elapsed)
        reason = Reason.OPTIMAL if self.bound_s >= self._cutoff_s else Reason.LIMIT
        limit = "range of times" if context.remaining and reason is Reason.LIMIT else "time"
        message = "" if reason is Reason.OPTIMAL else "; ".join(self._messages[:1])
        return Claim(
            reason, self.best, self._value, self.bound_s, message, solve_s=context.elapsed, limit=limit
        )

    @property
    def bound_s(self) -> float:
        """Seconds per token that no placement beats."""
        ahead = [self._open[0].bound_s] if self._open else []
        return min([self.best_s, *ahead, *self._undecided])

    @property
    def _value(self) -> float | None:
        return None if self.best is None else self.best_s

    @property
    def _cutoff_s(self) -> float:
        if math.isinf(self.best_s):
            return math.inf
        return self.best_s * (1 - self.context.parameters.relative_gap)

    def _push(
        self,
        size: int,
        first: int,
        last: int,
        bottleneck_s: float | None = None,
        floor_s: float = 0.0,
    ) -> None:
        """Add a node unless it breaks the limit; the floor is a bound on its bottleneck that is known from elsewhere."""
        low = self.instance.counts[first]
        assert low is not None
        least_s, round_trip_s = self._floors[size]
        floor_s = max(floor_s, bottleneck_s or 0.0)
        least_s = max(least_s, floor_s)
        limit_s = self.instance.time_per_token_limit_s
        # A bottleneck that another choice found is a multiple of that one's tick.
        if limit_s is not None and cycle_s(low, least_s, round_trip_s) > limit_s * (1 + 1e-9):
            return  # more in flight wait no less
        bound_s = self._bound_s(size, last, floor_s)
        heapq.heappush(self._open, Node(bound_s, next(self._order), size, first, last, bottleneck_s))

    def _bound_s(self, size: int, last: int, floor_s: float) -> float:
        """Return the bound of a batch size with at most so many in flight, by what is known by now."""
        high = self.instance.counts[last]
        assert high is not None
        least_s, round_trip_s = self._floors[size]
        return cycle_s(high, max(least_s, floor_s), round_trip_s) / (high * size)

    def _wait(self, size: int) -> None:
        """Bound the round trip of a batch size by the least latency: its problem may also return to devices."""
        self._waited.add(size)
        pipe = self.instance.at(size, self.instance.counts[0])  # the most memory for the rest
        claim = least_latency(pipe, part_of(self.context, share=LATENCY_SHARE))
        if claim is None or claim.dual_bound is None:
            return
        request = pipe.request
        passes = request.new_tokens if request is not None and request.counts == "request" else 1
        least_s, round_trip_s = self._floors[size]
        # Ticks of the two problems may differ.
        self._floors[size] = least_s, max(round_trip_s, claim.dual_bound / passes * (1 - 1e-9))
        if claim.placement is not None:
            self.offer(size, tuple(claim.placement))

    def _bound(self, node: Node) -> None:
        """Find the least bottleneck in the memory of a node's first number."""
        number = self.instance.counts[node.first]
        pipe = self.instance.at(node.batch_size, number)
        claim = self._bottleneck(pipe, self.best_s * node.batch_size)
        if claim.reason is Reason.INFEASIBLE:
            return
        if claim.placement is not None:
            self.offer(node.batch_size, claim.placement)
        least_s = max(claim.dual_bound or 0.0, 0.0)
        self._push(node.batch_size, node.first, node.last, least_s, node.bottleneck_s or 0.0)

    def _decide(self, node: Node) -> None:
        """Solve one choice exactly, for what is better than the best that is known."""
        number, size = self.instance.counts[node.first], node.batch_size
        assert number is not None
        pipe = self.instance.at(size, number)
        limit_s = self.instance.time_per_token_limit_s
        most_s = min(self.best_s * number * size, math.inf if limit_s is None else limit_s)
        decide = over_sources(partial(self._cycle, number, size, most_s))
        claim = decide(pipe, part_of(self.context, partial(self._keep_layers, number, size)))
        if claim.reason is Reason.INFEASIBLE:
            return
        if claim.placement is not None:
            self._keep(placement_with(number, size, claim.placement))
        if claim.reason is not Reason.OPTIMAL:
            bound_s = max(node.bound_s, (claim.dual_bound or 0.0) / (number * size))
            self._undecided.append(bound_s)
            self._messages.append(claim.message)
        elif claim.dual_bound is not None:  # a bound below the value, within the gap
            self._undecided.append(max(node.bound_s, claim.dual_bound / (number * size)))

    def _cycle(self, number: int, size: int, most_s: float, pipe: EdgeShardInstance, part: Context) -> Claim:
        """Return the least time between two tokens of a sequence, of what takes at most so long; the source is given."""
        try:
            build = strongest_model(pipe)
            require_whole_numbers(time_tables(pipe).whole_numbers)
        except NotApplicableError as refusal:
            return Claim(Reason.LIMIT, message=str(refusal))
        tick_s = time_tables(pipe).tick_s
        most_s += tick_s if math.isfinite(most_s) else 0.0
        flight = Flight(number, most_s)

        def built(instance: EdgeShardInstance, cap_s: float) -> Any:
            cap_s = min(cap_s, most_s)
            return build(instance, cap_s / number + tick_s, replace(flight, most_s=cap_s))

        def between_s(layers: Any) -> float | None:
            cost = evaluate(self.instance, placement_with(number, size, layers)).objective
            return None if cost is None else cost * number * size

        return run_whole_model(pipe, built, part, between_s)

    def _keep_layers(self, number: int, size: int, layers: Any) -> None:
        self._keep(placement_with(number, size, layers))

    def offer(self, batch_size: int, layers: tuple[int, ...]) -> None:
        """Keep a pipeline with the number that suits it best, where that is the best so far.

        Parameters
        ----------
        batch_size : int
            Sequences in a micro-batch.
        layers : tuple of int
            The device of each layer.
        """
        number = best_number(self.instance, batch_size, layers)
        if number is not None:
            self._keep(placement_with(number, batch_size, layers))

    def _keep(self, placement: Any) -> None:
        evaluation = evaluate(self.instance, placement)
        if evaluation.feasible and evaluation.objective is not None and evaluation.objective < self.best_s:
            self.best, self.best_s = tuple(placement), evaluation.objective
            self.context.report(objective=self.best_s, placement=self.best)

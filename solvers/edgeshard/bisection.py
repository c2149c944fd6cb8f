"""Bisection over all values that the bottleneck of a pipeline can have; a decision says whether one suffices.

Source: parametric search over a finite set of values, Bokhari (1988), Pınar and Aykanat (2004).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol

import numpy as np

from placewise.models.edgeshard.cost import bottleneck_values_s
from placewise.models.edgeshard.placement import evaluate_throughput
from placewise.models.errors import NotApplicableError
from placewise.solvers.edgeshard import cpsat
from placewise.solvers.edgeshard.counted import Undecided
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.context import Context


class Decision(Protocol):
    """Whether there is a pipeline within a threshold."""

    equal: bool

    @property
    def decided_from_s(self) -> float:
        """The least threshold that it decides."""

    def placement(self, threshold_s: float) -> tuple[int, ...] | None:
        """Return a pipeline within a threshold, or None if there is none; may raise `Undecided`."""


def bisect(
    instance: EdgeShardInstance,
    context: Context,
    decide: Decision,
    *,
    whole: bool = True,
    enough_s: float = inf,
) -> Claim:
    """Bisect over the candidates; every threshold that fails is a dual bound.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    decide : Decision
        Of that instance. Where the optimum may lie below what it decides, CP-SAT goes on.
    whole : bool
        Whether it does; without it the bound is the least threshold that was not refuted.
    enough_s : float
        A bound of so many seconds is as good as any larger one.
    """
    values = bottleneck_values_s(instance)
    best = decide.placement(float(values[-1])) if len(values) else None
    if best is None:
        return Claim(Reason.INFEASIBLE, message="no pipeline at any bottleneck", solve_s=context.elapsed)
    # Best attains values[high]; the optimum is among values[low..high], or below them where nothing is decided.
    lowest = int(np.searchsorted(values, decide.decided_from_s))
    cost_s = _cost_s(instance, best)
    low, high = lowest, _position(values, cost_s)
    if context.warm_start is not None and _cost_s(instance, context.warm_start) < cost_s:
        best, cost_s = tuple(context.warm_start), _cost_s(instance, context.warm_start)
        high = _position(values, cost_s)
    context.report(objective=cost_s, placement=best)
    enough = int(np.searchsorted(values, enough_s))
    below = low  # from low to here thresholds were neither attained nor refuted
    first = enough - 1 if low < enough <= high else None
    while below < high and values[high] - values[below] > context.parameters.relative_gap * values[high]:
        if not context.remaining:
            bound = float(values[low]) if low > lowest else None
            return Claim(Reason.LIMIT, best, cost_s, bound, "time limit", solve_s=context.elapsed)
        middle, first = (below + high) // 2 if first is None else first, None
        try:
            found = decide.placement(float(values[middle]))
        except Undecided:
            below = middle + 1
            continue
        if found is None:
            low = below = middle + 1
            context.report(dual_bound=float(values[low]))
            if low >= enough:
                break
        else:
            best, cost_s = found, _cost_s(instance, found)
            high = min(high, _position(values, cost_s))
            context.report(objective=cost_s, placement=best)
    if not whole:
        low = _refuted(decide, values, low, below)
    left_open = below > low or 0 < lowest == low
    if left_open and whole:  # the optimum may lie below what is decided
        context.warm_start = best
        try:
            return (cpsat.throughput if decide.equal else cpsat.stages)(instance, context)
        except NotApplicableError as refusal:
            bound = float(values[low]) if low > lowest else None
            return Claim(Reason.LIMIT, best, cost_s, bound, str(refusal), limit="range of times")
    if left_open or enough <= low < high:
        return Claim(Reason.LIMIT, best, cost_s, float(values[low]), solve_s=context.elapsed)
    return Claim(Reason.OPTIMAL, best, cost_s, min(float(values[low]), cost_s), solve_s=context.elapsed)


def _refuted(decide: Decision, values: NDArray[np.float64], low: int, below: int) -> int:
    """Return the largest position up to one that was left open below which all thresholds are refuted."""
    while low < below:
        middle = (low + below) // 2
        try:
            found = decide.placement(float(values[middle]))
        except Undecided:
            found = ()
        if found is None:
            low = middle + 1
        else:
            below = middle
    return low


def _position(values: NDArray[np.float64], cost_s: float) -> int:
    """Return which candidate a cost is: the nearest, since those that are differences of long sums are off a little."""
    after = min(int(np.searchsorted(values, cost_s)), len(values) - 1)
    return after - (after > 0 and cost_s - values[after - 1] < values[after] - cost_s)


def _cost_s(instance: EdgeShardInstance, placement: tuple[int, ...]) -> float:
    """Return the bottleneck of a pipeline: it may be below the threshold that was asked."""
    bottleneck_s = evaluate_throughput(instance, placement).objective
    assert bottleneck_s is not None
    return bottleneck_s

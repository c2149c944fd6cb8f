"""Batch-aware throughput one batch size at a time: the best pipeline of each, most promising first.

With micro-batches in flight see `in_flight`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from placewise.models.edgeshard import pipeline_cpsat
from placewise.models.edgeshard.batch_placement import evaluate, placement_with
from placewise.models.edgeshard.cost import bottleneck_floor_s
from placewise.models.errors import NotApplicableError
from placewise.solvers.edgeshard import baselines, cpsat, in_flight, starts, thresholds, types
from placewise.solvers.edgeshard.single_flights import best_number, part_of
from placewise.solvers.edgeshard.sources import over_sources
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardBatch, EdgeShardInstance, EdgeShardThroughput


def run(instance: EdgeShardBatch, context: Context) -> Claim:
    """Solve each batch size whose bound could still win; the least of what is left is the dual bound.

    Parameters
    ----------
    instance, context : EdgeShardBatch, Context
        What is solved; options, clock and reports.
    """
    if instance.in_flight is not None:
        return in_flight.Search(instance, context, partial(_least_bottleneck, context)).run()
    bounds = {size: bottleneck_floor_s(instance.at(size)) / size for size in instance.batch_sizes}
    best, best_s, feasible_or_open = None, float("inf"), False
    if context.warm_start is not None:
        known = evaluate(instance, context.warm_start)
        if known.feasible and known.objective is not None:
            best, best_s, feasible_or_open = context.warm_start, known.objective, True
    for size in sorted(bounds, key=lambda size: (bounds[size], -size)):
        if bounds[size] >= best_s * (1 - context.parameters.relative_gap):
            continue
        claim = _pipeline(instance, size, context)
        if claim.reason is Reason.INFEASIBLE:
            bounds[size] = float("inf")
            continue
        feasible_or_open = True
        if claim.dual_bound is not None:
            bounds[size] = max(bounds[size], claim.dual_bound / size)
        if claim.objective is not None and claim.objective / size < best_s:
            best, best_s = (size, claim.placement), claim.objective / size
        context.report(objective=best_s, dual_bound=min(best_s, *bounds.values()), placement=best)
    if not feasible_or_open:
        return Claim(Reason.INFEASIBLE, message="no batch size has a pipeline", solve_s=context.elapsed)
    bound = min(best_s, *bounds.values())
    closed = bound >= best_s * (1 - context.parameters.relative_gap)
    reason = Reason.OPTIMAL if closed else Reason.LIMIT
    objective = None if best is None else best_s
    return Claim(reason, best, objective, bound, solve_s=context.elapsed)


def largest_batch(instance: EdgeShardBatch, context: Context) -> Claim:
    """Take the largest batch that fits at all and its best pipeline, as the paper does.

    Parameters
    ----------
    instance, context : EdgeShardBatch, Context
        What is solved; options, clock and reports.
    """
    if instance.in_flight is None:
        return _largest(instance, context, lambda size: _pipeline(instance, size, context))
    return _largest_in_flight(
        instance, context, lambda pipe, _: _least_bottleneck(context, pipe, inf), first=True
    )


def _largest(instance: EdgeShardBatch, context: Context, solve: Callable[[int], Claim]) -> Claim:
    claim = Claim(Reason.FINISHED)
    for size in reversed(instance.batch_sizes):
        claim = solve(size)
        if claim.objective is not None:
            return Claim(
                Reason.FINISHED, (size, claim.placement), claim.objective / size, solve_s=context.elapsed
            )
    return Claim(Reason.FINISHED, message=claim.message, solve_s=context.elapsed)


def _largest_in_flight(
    instance: EdgeShardBatch,
    context: Context,
    solve: Callable[[EdgeShardThroughput, Context], Claim],
    *,
    first: bool = False,
) -> Claim:
    """Return the best of a pipeline per batch size (the largest that fits, if asked) and twice as many in flight each time."""
    best, best_s, message = None, float("inf"), "no choice fits"
    for size in reversed(instance.batch_sizes):
        numbers = [number for number, other in instance.choices if other == size]
        step = 1
        while step <= len(numbers) and context.remaining:
            claim = solve(instance.at(size, numbers[step - 1]), part_of(context))
            step *= 2
            if claim.placement is None:
                message = claim.message or message
                break
            number = best_number(instance, size, claim.placement)
            if number is None:
                continue
            placement = placement_with(number, size, claim.placement)
            evaluation = evaluate(instance, placement)
            if evaluation.feasible and evaluation.objective is not None and evaluation.objective < best_s:
                best, best_s = placement, evaluation.objective
        if first and best is not None:
            break
    if best is None:
        return Claim(Reason.FINISHED, message=message, solve_s=context.elapsed)
    return Claim(Reason.FINISHED, best, best_s, solve_s=context.elapsed)


def _with_largest_batch(
    baseline: Callable[[EdgeShardInstance, Context], Claim],
) -> Callable[[EdgeShardBatch, Context], Claim]:
    """Return a baseline of one batch size as one that takes the largest batch that fits."""
    each = over_sources(baseline)

    def run(instance: EdgeShardBatch, context: Context) -> Claim:
        if instance.in_flight is not None:
            return _largest_in_flight(instance, context, each)
        return _largest(instance, context, lambda size: each(instance.at(size), _part(context, size)))

    return run


greedy = _with_largest_batch(starts.greedy)
edge_solo = _with_largest_batch(baselines.edge_solo)
cloud_edge_even = _with_largest_batch(baselines.cloud_edge_even)
cloud_edge_nearest = _with_largest_batch(baselines.cloud_edge_nearest)
cloud_edge_opt = _with_largest_batch(baselines.cloud_edge_opt)
edgeshard_even = _with_largest_batch(baselines.edgeshard_even)


def _pipeline(instance: EdgeShardBatch, batch_size: int, context: Context) -> Claim:
    """Return what the strongest method that takes one batch size says about it: that of `edgeshard-throughput`."""
    return over_sources(_strongest)(instance.at(batch_size), _part(context, batch_size))


def _least_bottleneck(context: Context, pipeline: EdgeShardThroughput, enough_s: float) -> Claim:
    """Return what that method says about one choice with micro-batches in flight, quickly, without its reports."""
    quick = over_sources(partial(_strongest, whole=False, enough_s=enough_s))
    return quick(pipeline, part_of(context))


def _strongest(
    pipeline: EdgeShardInstance, part: Context, *, whole: bool = True, enough_s: float = inf
) -> Claim:
    """Solve a pipeline with a source by the strongest method that takes it."""
    for guarantee, method in (
        (types.guarantee, partial(types.run, enough_s=enough_s)),
        (thresholds.guarantee, partial(thresholds.run, whole=whole, enough_s=enough_s)),
        (pipeline_cpsat.run_length_guarantee, cpsat.throughput),
    ):
        try:
            guarantee(pipeline)
        except NotApplicableError:
            continue
        return method(pipeline, part)
    return cpsat.stages(pipeline, part)


def _part(context: Context, batch_size: int) -> Context:
    """Return the context of one batch size: what is left of the time, incumbents passed on per token."""

    def report(progress: Progress) -> None:
        if progress.objective is not None:
            context.report(
                objective=progress.objective / batch_size, placement=(batch_size, progress.placement)
            )

    known = (
        context.warm_start if context.warm_start is not None and context.warm_start[0] == batch_size else None
    )
    start = None if known is None else known[1]
    return Context(replace(context.parameters, time_limit=max(context.remaining, 1e-3)), start, report)

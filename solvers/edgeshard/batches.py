"""Batch-aware throughput one batch size at a time: the best pipeline of each, most promising first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from placewise.models.edgeshard import pipeline_cpsat
from placewise.models.edgeshard.batches import evaluate
from placewise.models.edgeshard.cost import bottleneck_floor_s
from placewise.models.errors import NotApplicableError
from placewise.solvers.edgeshard import baselines, cpsat, thresholds, types
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardBatchInstance, EdgeShardInstance


def run(instance: EdgeShardBatchInstance, context: Context) -> Claim:
    """Solve each batch size whose bound could still win; the least of what is left is the dual bound.

    Parameters
    ----------
    instance, context : EdgeShardBatchInstance, Context
        What is solved; options, clock and reports.
    """
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


def largest_batch(instance: EdgeShardBatchInstance, context: Context) -> Claim:
    """Take the largest batch that fits at all and its best pipeline, as the paper does.

    Parameters
    ----------
    instance, context : EdgeShardBatchInstance, Context
        What is solved; options, clock and reports.
    """
    return _largest(instance, context, lambda size: _pipeline(instance, size, context))


def _largest(instance: EdgeShardBatchInstance, context: Context, solve: Callable[[int], Claim]) -> Claim:
    claim = Claim(Reason.FINISHED)
    for size in reversed(instance.batch_sizes):
        claim = solve(size)
        if claim.objective is not None:
            return Claim(
                Reason.FINISHED, (size, claim.placement), claim.objective / size, solve_s=context.elapsed
            )
    return Claim(Reason.FINISHED, message=claim.message, solve_s=context.elapsed)


def _with_largest_batch(
    baseline: Callable[[EdgeShardInstance, Context], Claim],
) -> Callable[[EdgeShardBatchInstance, Context], Claim]:
    """Return a baseline of one batch size as one that takes the largest batch that fits."""

    def run(instance: EdgeShardBatchInstance, context: Context) -> Claim:
        return _largest(instance, context, lambda size: baseline(instance.at(size), _part(context, size)))

    return run


greedy = _with_largest_batch(baselines.greedy)
edge_solo = _with_largest_batch(baselines.edge_solo)
cloud_edge_even = _with_largest_batch(baselines.cloud_edge_even)
cloud_edge_nearest = _with_largest_batch(baselines.cloud_edge_nearest)
cloud_edge_opt = _with_largest_batch(baselines.cloud_edge_opt)
edgeshard_even = _with_largest_batch(baselines.edgeshard_even)


def _pipeline(instance: EdgeShardBatchInstance, batch_size: int, context: Context) -> Claim:
    """Return what the strongest method that takes one batch size says about it: that of `edgeshard-throughput`."""
    pipeline, part = instance.at(batch_size), _part(context, batch_size)
    for guarantee, method in (
        (types.guarantee, types.run),
        (thresholds.guarantee, thresholds.run),
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

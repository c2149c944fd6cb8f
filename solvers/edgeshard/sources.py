"""A free source: the best of one instance per device, the most promising first; equal devices are looked at once."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING

from placewise.models.edgeshard.kinds import kinds_of
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardInstance

    Run = Callable[[EdgeShardInstance, Context], Claim]
    Judge = Callable[[EdgeShardInstance], Guarantee]


def candidates(instance: EdgeShardInstance) -> list[int]:
    """Return the devices that may host layer 0 by memory and rules, one of each kind.

    Parameters
    ----------
    instance : EdgeShardInstance
        Its source is free.
    """
    need, most = (
        instance.memory_bytes[0],
        instance.rules.most(instance.cluster.size, len(instance.layers)),
    )
    pinned = dict(instance.rules.pinned).get(0)
    return [
        j
        for j in sorted(set(kinds_of(instance)))
        if instance.cluster.memory_bytes[j] >= need and most[j] and pinned in (None, j)
    ]


def over_sources(run: Run) -> Run:
    """Return a method of instances with a source as one of those with a free source, too.

    Parameters
    ----------
    run : callable
        ``(instance, Context) -> Claim``.
    """

    @wraps(run)
    def over(instance: EdgeShardInstance, context: Context) -> Claim:
        return run(instance, context) if instance.source is not None else _best(instance, context, run)

    return over


def for_sources(judge: Guarantee | Judge) -> Judge:
    """Return what a method proves where the source may be free: what it proves with every source.

    Parameters
    ----------
    judge : Guarantee or callable
        Of instances with a source; may raise `NotApplicableError`.
    """

    def judged(instance: EdgeShardInstance) -> Guarantee:
        if isinstance(judge, Guarantee):
            return judge
        if instance.source is not None:
            return judge(instance)
        found = [judge(instance.at_source(j)) for j in candidates(instance)]
        return next((each for each in found if each is not Guarantee.EXACT), Guarantee.EXACT)

    return judged


def _best(instance: EdgeShardInstance, context: Context, run: Run) -> Claim:
    problem = problem_of(instance)
    best, best_s, start = None, float("inf"), context.warm_start
    if start is not None:
        known = problem.evaluate(instance, start)
        if known.feasible and known.objective is not None:
            best, best_s = tuple(start), known.objective
    bounds = {j: problem.floor(instance.at_source(j)) for j in candidates(instance)}
    gap, message = 1 - context.parameters.relative_gap, "no device can be the source"
    order = sorted(bounds, key=lambda j: (bounds[j], j))
    ended, limit = Reason.FINISHED, "time"
    for position, j in enumerate(order):
        if bounds[j] >= best_s * gap:
            continue
        share = context.remaining / (len(order) - position)
        claim = run(instance.at_source(j), _part(context, j, max(share, 1e-3)))
        message = claim.message
        if claim.reason is Reason.INFEASIBLE:
            bounds[j] = float("inf")
            continue
        if claim.reason is Reason.ERROR:
            return claim
        if claim.dual_bound is not None:
            bounds[j] = max(bounds[j], claim.dual_bound)
        if claim.placement is not None and claim.objective is not None and claim.objective < best_s:
            best, best_s = claim.placement, claim.objective
        if claim.reason is Reason.LIMIT:
            ended, limit = claim.reason, claim.limit
        context.report(objective=best_s, dual_bound=min([best_s, *bounds.values()]), placement=best)
    bound = min([best_s, *bounds.values()])
    if bound == float("inf"):
        return Claim(Reason.INFEASIBLE, message=message, solve_s=context.elapsed)
    if best is None:
        return Claim(ended, None, None, bound, message, solve_s=context.elapsed, limit=limit)
    ended = Reason.OPTIMAL if bound >= best_s * gap else ended
    return Claim(ended, best, best_s, bound, message, solve_s=context.elapsed, limit=limit)


def _part(context: Context, source: int, seconds: float) -> Context:
    """Return the context of one source: its share of the time, and of the warm start what is its own."""

    def report(progress: Progress) -> None:
        if progress.objective is not None:
            context.report(objective=progress.objective, placement=progress.placement)

    start = context.warm_start
    own = start if start is not None and start[0] == source else None
    return Context(replace(context.parameters, time_limit=seconds), own, report)

"""A complete search where plan and bound do not meet: HiGHS on the interval model, started from the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.registry import problem_of
from placewise.solvers.backends.table import HIGHS
from placewise.solvers.evidence.result import Claim, Progress, Reason
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.statement import run_formulation

if TYPE_CHECKING:
    from placewise.models.replicated.data import ReplicatedThroughput
    from placewise.solvers.replicated.plans import PlanSearch

#: Links times layers of a model that is worth its building, and of one that is solved before plans are looked for.
LARGEST, TINY = 8000, 64


def small(instance: ReplicatedThroughput, largest: int = LARGEST) -> bool:
    """Whether HiGHS may close a gap in a time that is worth it.

    Parameters
    ----------
    instance : ReplicatedThroughput
        M nodes, L layers.
    largest : int
        ``M**2 L`` up to which it may.
    """
    return instance.cluster.size**2 * instance.layers <= largest


def complete(search: PlanSearch) -> Claim:
    """Return what HiGHS says, with the better of its bound and ours.

    Parameters
    ----------
    search : PlanSearch
        With its plan, bound and clock.
    """
    from dataclasses import replace

    from placewise.solvers.replicated.plans import claim

    instance, context = search.instance, search.context
    problem = problem_of(instance)

    def report(step: Progress) -> None:
        if step.placement is not None:
            search.offer(step.placement)
        context.report(dual_bound=step.dual_bound)

    inner = Context(replace(context.parameters, time_limit=max(context.remaining, 1e-3)), search.plan, report)
    inner.stopped = context.stopped
    found = run_formulation(problem, problem.formulations["intervals"], HIGHS, instance, inner)
    search.offer(found.placement)
    if found.dual_bound is not None and found.dual_bound > 0:
        search.bound = max(
            min(search.bound, search.costs.units(found.dual_bound * (1 - 1e-9)) + 1), search.flow
        )
    if found.reason is Reason.INFEASIBLE and search.plan is None:
        return Claim(Reason.INFEASIBLE, message=found.message, solve_s=context.elapsed)
    ended = replace(claim(search, Reason.LIMIT), message=found.message)
    if found.reason is Reason.OPTIMAL or search.closed:
        return replace(ended, reason=Reason.OPTIMAL)
    return replace(ended, reason=found.reason if found.reason is Reason.ERROR else Reason.LIMIT)

"""Every placement of a tiny instance, evaluated: the oracle that all exact methods must agree with.

It shares nothing with them but `evaluate`, which is the specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.models.errors import NotApplicableError
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.problem import Instance
    from placewise.solvers.execution.context import Context

#: More placements than this are not tiny: a minute or so.
LARGEST_COUNT = 2_000_000


def guarantee(instance: Instance) -> Guarantee:
    """Return EXACT for tiny instances; raise `NotApplicableError` for others."""
    count = problem_of(instance).count(instance)
    if count > LARGEST_COUNT:
        raise NotApplicableError(
            f"brute force takes up to {LARGEST_COUNT:,} placements; {instance.name} has {count:.3g}"
        )
    return Guarantee.EXACT


def run(instance: Instance, context: Context) -> Claim:
    """Return the best of all placements, or a proof that there is none.

    Parameters
    ----------
    instance : Instance
        Of any problem.
    context : Context
        Options, clock and reports.
    """
    problem = problem_of(instance)
    best, best_objective = None, float("inf")
    for placement in problem.placements(instance):
        evaluation = problem.evaluate(instance, placement)
        if evaluation.feasible and evaluation.objective is not None and evaluation.objective < best_objective:
            best, best_objective = placement, evaluation.objective
            context.report(objective=best_objective, placement=best)
        if not context.remaining:
            objective = None if best is None else best_objective
            return Claim(
                Reason.LIMIT, best, objective, message="stopped by the time limit", solve_s=context.elapsed
            )
    if best is None:
        return Claim(
            Reason.INFEASIBLE, message="every placement breaks a constraint", solve_s=context.elapsed
        )
    return Claim(Reason.OPTIMAL, best, best_objective, best_objective, solve_s=context.elapsed)

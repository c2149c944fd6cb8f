"""Models of DILEMMA that are not lowered: CP-SAT's tables, and the paper's ILP in PuLP."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from placewise.models.dilemma.cpsat import delay_tables
from placewise.models.dilemma.textbook import extract, textbook_ilp, tighten
from placewise.models.units import MILLISECONDS
from placewise.solvers.backends.cbc import proven_bound, run_cbc
from placewise.solvers.evidence.result import Claim, Reason
from placewise.solvers.execution.whole_model import run_whole_model

if TYPE_CHECKING:
    from placewise.models.dilemma import DilemmaInstance
    from placewise.solvers.execution.context import Context


def tables(instance: DilemmaInstance, context: Context) -> Claim:
    """Solve the CP-SAT model.

    Parameters
    ----------
    instance : DilemmaInstance
        What is solved.
    context : Context
        Options, clock, warm start, and where progress goes.
    """
    return run_whole_model(instance, delay_tables, context)


def textbook(instance: DilemmaInstance, context: Context) -> Claim:
    """Solve the paper's ILP with the CBC of PuLP, again where its tolerance let an overload through.

    Parameters
    ----------
    instance, context : DilemmaInstance, Context
        What is solved; options, clock and reports.
    """
    import pulp

    began = perf_counter()
    problem, x = textbook_ilp(instance)
    build_s = perf_counter() - began
    while True:
        reason, message, text = run_cbc(problem, context.parameters, context.remaining)
        found = problem.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
        cost = float(pulp.value(problem.objective) or 0.0) if found else None
        bound = proven_bound(text, reason, cost, context.parameters.relative_gap)
        placement = extract(x) if found else None
        if placement is None or not tighten(problem, x, instance, placement):
            break
        if not context.remaining:
            placement, cost, reason = None, None, Reason.LIMIT
            message = f"{message}; its solution overloads a server or the budget"
            break
    return Claim(
        reason=Reason.ERROR if reason is Reason.OPTIMAL and not found else reason,
        placement=placement,
        objective=None if cost is None else cost / MILLISECONDS,
        dual_bound=None if bound is None else bound / MILLISECONDS,
        message=message,
        build_s=build_s,
        solve_s=perf_counter() - began - build_s,
    )

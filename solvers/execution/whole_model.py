"""CP-SAT on a model of whole numbers: build, solve, extract, evaluate, and build again where its unit was coarse."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.models.registry import problem_of
from placewise.solvers.backends.cpsat import solve_cp
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.problem import Instance
    from placewise.solvers.execution.context import Context


def run_whole_model(
    instance: Instance,
    build: Callable[[Any, float], Any],
    context: Context,
    cost_s: Callable[[Any], float | None] | None = None,
) -> Claim:
    """Solve a model whose objective is the instance's, in the units that it states.

    A model in coarse units proves a bound that is off by their rounding. Then it is built again without what alone
    costs more than the placement found: what is left is shorter, and so are its units.

    Parameters
    ----------
    instance : Instance
        What is solved.
    build : callable
        ``(instance, cap_s) -> model`` with ``cp_model``, ``objective``, ``times``, ``extract`` and ``hint``; it need
        not have placements that cost more than the cap.
    context : Context
        Options, warm start and where progress goes.
    cost_s : callable, optional
        What a placement costs, where the model's objective is not the instance's.
    """

    def cost(placement: Any) -> float | None:
        if cost_s is not None:
            return cost_s(placement)
        return problem_of(instance).evaluate(instance, placement).objective

    build_s, cap_s, best = 0.0, inf, Claim(Reason.LIMIT, context.warm_start)
    while True:
        began = perf_counter()
        model = build(instance, cap_s)
        if best.placement is not None:
            model.hint(best.placement)
        build_s += perf_counter() - began
        claim = _solve_once(model, context, cost)
        bound = max(claim.dual_bound or 0.0, best.dual_bound or 0.0)
        if claim.placement is None and isfinite(cap_s):
            claim = replace(best, message=f"{claim.message} in finer units")  # the cap allows what is known
        best, value_s = replace(claim, dual_bound=bound), claim.objective
        done = model.times.exact or claim.reason is not Reason.OPTIMAL or not context.remaining
        if done or value_s is None or not bound < value_s <= cap_s / 2:
            return replace(best, build_s=build_s, solve_s=context.elapsed - build_s)
        cap_s = value_s


def _solve_once(model: Any, context: Context, cost_s: Callable[[Any], float | None]) -> Claim:
    unit_s = model.times.unit_s

    def placed(value: Callable[[Any], int]) -> tuple[Any, float | None]:
        placement = model.extract(value)
        if model.times.exact:
            return placement, float(value(model.objective) * unit_s)
        return placement, cost_s(placement)

    def on_solution(value: Callable[[Any], int]) -> None:
        placement, objective = placed(value)
        context.report(objective=objective, placement=placement)

    result = solve_cp(
        model.cp_model,
        context.parameters,
        context.remaining,
        on_solution=on_solution,
        on_bound=lambda bound: context.report(dual_bound=bound * unit_s),
    )
    placement, objective = placed(result.value) if result.found else (None, None)
    return Claim(result.reason, placement, objective, result.dual_bound * unit_s, result.message)

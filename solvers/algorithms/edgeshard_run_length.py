"""CP-SAT on the run-length model: the default for models with equal decoder layers."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.cpsat import latency_run_length
from placewise.solvers.backends.cpsat import solve_cp
from placewise.solvers.result import Claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.run import Run


def run(instance: EdgeShardInstance, run: Run) -> Claim:
    """Build and solve the model; its objective is the instance's, tick for tick."""
    began = perf_counter()
    model = latency_run_length(instance)
    if run.warm_start is not None:
        model.hint(run.warm_start)
    build_s = perf_counter() - began

    def placement(value: Callable[[Any], int]) -> tuple[int, ...]:
        return model.extract(value)

    def objective_s(value: Callable[[Any], int]) -> float:
        return value(model.objective) * model.tick_s

    result = solve_cp(
        model.cp_model,
        run.parameters,
        run.remaining,
        on_solution=lambda value: run.report(objective=objective_s(value), placement=placement(value)),
        on_bound=lambda bound: run.report(dual_bound=bound * model.tick_s),
    )
    return Claim(
        reason=result.reason,
        placement=placement(result.value) if result.found else None,
        objective=objective_s(result.value) if result.found else None,
        dual_bound=result.dual_bound * model.tick_s,
        message=result.message,
        build_s=build_s,
        solve_s=perf_counter() - began - build_s,
    )

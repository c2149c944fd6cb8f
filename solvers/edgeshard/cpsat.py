"""CP-SAT on its own models of the EdgeShard problems: the default where decoder layers are equal."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.models.edgeshard.cpsat import latency_run_length
from placewise.models.edgeshard.pipeline_cpsat import throughput_run_length, throughput_stages
from placewise.solvers.backends.cpsat import solve_cp
from placewise.solvers.evidence.result import Claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.execution.run import Run


def latency(instance: EdgeShardInstance, run: Run) -> Claim:
    """Solve the latency problem on run lengths.

    Parameters
    ----------
    instance, run : EdgeShardInstance, Run
        What is solved; options, clock and reports.
    """
    began = perf_counter()
    model = latency_run_length(instance)
    if run.warm_start is not None:
        model.hint(run.warm_start)
    return solve_ticks(model, model.objective, run, began)


def throughput(instance: EdgeShardInstance, run: Run) -> Claim:
    """Solve the throughput problem on run lengths.

    Parameters
    ----------
    instance, run : EdgeShardInstance, Run
        What is solved; options, clock and reports.
    """
    began = perf_counter()
    model = throughput_run_length(instance)
    return solve_ticks(model, model.bottleneck, run, began)


def stages(instance: EdgeShardInstance, run: Run) -> Claim:
    """Solve the throughput problem on first layers and ends.

    Parameters
    ----------
    instance, run : EdgeShardInstance, Run
        What is solved; options, clock and reports.
    """
    began = perf_counter()
    model = throughput_stages(instance)
    return solve_ticks(model, model.bottleneck, run, began)


def solve_ticks(model: Any, objective: Any, run: Run, began: float) -> Claim:
    """Solve a model whose objective is the instance's, tick for tick.

    Parameters
    ----------
    model : RunLengthModel or PipelineModel
        Built.
    objective : ortools LinearExpr or int
        What it minimises, in ticks.
    run : Run
        Options, clock and reports.
    began : float
        When building began, by `perf_counter`.
    """
    build_s = perf_counter() - began

    def objective_s(value: Callable[[Any], int]) -> float:
        return float(value(objective) * model.tick_s)

    result = solve_cp(
        model.cp_model,
        run.parameters,
        run.remaining,
        on_solution=lambda value: run.report(objective=objective_s(value), placement=model.extract(value)),
        on_bound=lambda bound: run.report(dual_bound=bound * model.tick_s),
    )
    return Claim(
        reason=result.reason,
        placement=model.extract(result.value) if result.found else None,
        objective=objective_s(result.value) if result.found else None,
        dual_bound=result.dual_bound * model.tick_s,
        message=result.message,
        build_s=build_s,
        solve_s=perf_counter() - began - build_s,
    )

"""A back-end on a declarative model: build, lower, solve, extract, and cut off what tolerances let through."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.models.registry import problem_of
from placewise.models.statement import Statement
from placewise.models.units import MILLISECONDS
from placewise.solvers.backends.lowering import lower
from placewise.solvers.backends.matrix import MatrixResult, MatrixRun
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.problem import Formulation, InstanceT, Problem
    from placewise.solvers.backends.lowering import MatrixModel
    from placewise.solvers.execution.method import Backend
    from placewise.solvers.execution.run import Run

#: Of the time limit, kept for the end of a solver, which looks at its clock now and then: a share, and seconds at most.
HAND_OVER_SHARE, HAND_OVER_S = 0.05, 1.0


def run_formulation(
    problem: Problem[InstanceT, Any],
    formulation: Formulation[InstanceT, Any],
    backend: Backend,
    instance: InstanceT,
    run: Run,
) -> Claim:
    """Solve an instance by a back-end on one of its problem's formulations.

    A solver may overload a device within its feasibility tolerance. Such a placement is cut off by name and
    the model is solved again; what is left of the time limit bounds this. It is solved again, too, without choices
    dearer than the placement found, where those made it small beside a solver's tolerances.
    """
    began = perf_counter()
    statement = Statement.of(instance, formulation)
    build_s = perf_counter() - began
    if not _seconds_for(run):
        return Claim(Reason.LIMIT, message="the time limit ended while the model was built", build_s=build_s)
    solve_s = 0.0
    while True:
        began = perf_counter()
        matrix, result, claim_values = _solve_once(statement, backend, run)
        solve_s += perf_counter() - began
        placement, objective, bound = claim_values
        if placement is None:
            break
        if not statement.tighten(placement):
            cost_s = problem.evaluate(instance, placement).objective
            if cost_s is None or not run.remaining or not matrix.drop_dearer(MILLISECONDS * cost_s):
                break
            run.warm_start = placement
            continue
        if not run.remaining:
            placement, objective = None, None
            result = MatrixResult(Reason.LIMIT, message=f"{result.message}; its solution overloads a device")
            break
    return Claim(
        reason=result.reason,
        placement=placement,
        objective=objective,
        dual_bound=bound,
        message=result.message,
        build_s=build_s,
        solve_s=solve_s,
    )


def _seconds_for(run: Run) -> float:
    """Return the seconds that a solver is given: what is left, less the share that it needs to end and hand over."""
    return max(run.remaining - min(HAND_OVER_SHARE * run.parameters.time_limit, HAND_OVER_S), 0.0)


def write_model(instance: Any, formulation: str, kind: str, target: str | Path) -> None:
    """Write a declarative model as ``mps`` or ``lp``: objective in milliseconds, names of the model."""
    from placewise.instances.files import write_text  # a worker starts without the file formats

    model = problem_of(instance).formulations[formulation].build(instance)
    name, model.name = model.name, "placewise-model"  # Pyomo writes in the system's encoding
    with tempfile.TemporaryDirectory(prefix="placewise-") as folder:
        file = Path(folder) / f"model.{kind}"
        model.write(str(file), io_options={"symbolic_solver_labels": True})
        write_text(target, file.read_text(encoding="utf-8").replace(model.name, name, 1))


def _solve_once(
    statement: Statement[Any, Any], backend: Backend, run: Run
) -> tuple[MatrixModel, MatrixResult, tuple[Any, float | None, float | None]]:
    if run.warm_start is not None:
        statement.start(run.warm_start)
    matrix = lower(statement.model)

    def placement_of(values: Any) -> Any:
        matrix.load(values)
        return statement.extract()

    def on_solution(values: Any) -> None:
        run.report(objective=seconds(float(matrix.cost @ values)), placement=placement_of(values))

    def seconds(objective: float) -> float:
        return matrix.unscaled(objective) / MILLISECONDS

    seconds_left = _seconds_for(run)
    if not seconds_left:
        late = MatrixResult(Reason.LIMIT, message="the time limit ended while the model was lowered")
        return matrix, late, (None, None, None)
    result: MatrixResult = backend.minimise(
        matrix,
        MatrixRun(
            parameters=run.parameters,
            time_limit=seconds_left,
            start=matrix.start() if run.warm_start is not None else None,
            on_solution=on_solution,
            on_bound=lambda bound: run.report(dual_bound=seconds(bound)),
            stopped=run.stopped,
        ),
    )
    bound = None if result.dual_bound is None else seconds(result.dual_bound)
    if result.values is None:
        return matrix, result, (None, None, bound)
    return matrix, result, (placement_of(result.values), seconds(float(matrix.cost @ result.values)), bound)

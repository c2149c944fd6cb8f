"""A back-end on a declarative model: build, lower, solve, extract, and cut off what tolerances let through."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.models.lazy import load
from placewise.models.registry import problem_of
from placewise.models.units import MILLISECONDS
from placewise.solvers.backends.lowering import lower
from placewise.solvers.backends.matrix import MatrixResult, MatrixRun
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.problem import Formulation
    from placewise.solvers.backends.lowering import MatrixModel
    from placewise.solvers.execution.method import Method
    from placewise.solvers.execution.run import Run


def run_formulation(instance: Any, method: Method, run: Run) -> Claim:
    """Solve an instance by a back-end on one of its problem's formulations.

    Rows of bytes reach a solver relaxed, so it may overload a device by some. Such a placement is cut off by name, and
    the model is solved again with these rows in digits; what is left of the time limit bounds this, and a bound of
    before stays one. It is solved again, too, without choices dearer than the placement found, where those made it
    small beside a solver's tolerances.
    """
    assert method.backend is not None
    assert method.formulation is not None
    statement = problem_of(instance).formulations[method.formulation]
    minimise = load(method.backend.minimise)
    began = perf_counter()
    model = load(statement.build)(instance)
    build_s = perf_counter() - began
    solve_s, known_s, digits, proven = 0.0, _cost_s(instance, run.warm_start), False, -math.inf
    known = run.warm_start if known_s is not None else None
    while True:
        began = perf_counter()
        matrix, result, claim_values = _solve_once(instance, model, statement, minimise, run, known_s, digits)
        solve_s += perf_counter() - began
        placement, objective, bound = claim_values
        proven = max(proven, -math.inf if bound is None else bound)
        if placement is None:
            break
        if load(statement.tighten)(model, placement):
            digits = True
            if not run.remaining:
                placement = None
                result = MatrixResult(
                    Reason.LIMIT, message=f"{result.message}; its solution overloads a device"
                )
                break
            continue
        known, known_s = placement, _cost_s(instance, placement)
        if known_s is None or not run.remaining or not matrix.drop_dearer(MILLISECONDS * known_s):
            break
        run.warm_start, proven = placement, -math.inf  # a bound of before may be drowned, too
    if placement is None and known is not None:
        placement, objective = known, known_s
        if result.reason is Reason.INFEASIBLE:
            result = MatrixResult(Reason.ERROR, message=f"{result.message}, which a known placement refutes")
            proven = -math.inf
    return Claim(
        reason=result.reason,
        placement=placement,
        objective=objective if placement is not None else None,
        dual_bound=proven if math.isfinite(proven) else None,
        message=result.message,
        build_s=build_s,
        solve_s=solve_s,
    )


def _cost_s(instance: Any, placement: Any) -> float | None:
    """Return what a feasible placement costs; None without one."""
    if placement is None:
        return None
    evaluation = problem_of(instance).evaluation(instance, placement)
    return evaluation.objective if evaluation.feasible else None


def write_model(instance: Any, formulation: str, kind: str, target: str | Path) -> None:
    """Write a declarative model as ``mps`` or ``lp``: objective in milliseconds, names of the model."""
    from placewise.instances.files import write_text  # a worker starts without the file formats

    model = load(problem_of(instance).formulations[formulation].build)(instance)
    with tempfile.TemporaryDirectory(prefix="placewise-") as folder:
        file = Path(folder) / f"model.{kind}"
        model.write(str(file), io_options={"symbolic_solver_labels": True})
        write_text(target, file.read_text(encoding="utf-8"))


def _solve_once(
    instance: Any,
    model: Any,
    statement: Formulation,
    minimise: Any,
    run: Run,
    known_s: float | None,
    digits: bool,
) -> tuple[MatrixModel, MatrixResult, tuple[Any, float | None, float | None]]:
    extract = load(statement.extract)
    if run.warm_start is not None:
        load(statement.start)(model, run.warm_start)
    matrix = lower(model, digits=digits)
    if known_s is not None and matrix.drop_dearer(MILLISECONDS * known_s):
        matrix = lower(model, digits=digits)

    def placement_of(values: Any) -> Any:
        matrix.load(values)
        return extract(model)

    def on_solution(values: Any) -> None:
        placement = placement_of(values)
        run.report(objective=_cost_s(instance, placement), placement=placement)

    def seconds(objective: float) -> float:
        return matrix.unscaled(objective) / MILLISECONDS

    result: MatrixResult = minimise(
        matrix,
        MatrixRun(
            parameters=run.parameters,
            time_limit=run.remaining,
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

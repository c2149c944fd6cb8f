"""SCIP, through MathOpt of OR-Tools: no system package is needed."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Reason

if TYPE_CHECKING:
    from placewise.solvers.backends.lowering import MatrixModel

STATUS = {
    "OPTIMAL": Reason.OPTIMAL,
    "INFEASIBLE": Reason.INFEASIBLE,
    "FEASIBLE": Reason.LIMIT,
    "NO_SOLUTION_FOUND": Reason.LIMIT,
}


def minimise(model: MatrixModel, context: MatrixContext) -> MatrixResult:
    """Solve a lowered model with SCIP.

    Parameters
    ----------
    model, context : MatrixModel, MatrixContext
        What is minimised; options, time limit in seconds, warm start and reports.
    """
    from ortools.math_opt.python import mathopt

    scip, columns = _mathopt_model(mathopt, model)
    options = mathopt.SolveParameters(
        time_limit=dt.timedelta(seconds=max(context.time_limit, 1e-3)),
        relative_gap_tolerance=context.parameters.relative_gap,
        absolute_gap_tolerance=0.0,
        random_seed=context.parameters.seed,
        enable_output=context.parameters.log is not None,
    )
    hints = mathopt.ModelSolveParameters()
    if context.start is not None:
        values = dict(zip(columns, context.start.tolist(), strict=True))
        hints.solution_hints.append(mathopt.SolutionHint(variable_values=values))
    result = mathopt.solve(scip, mathopt.SolverType.GSCIP, params=options, model_params=hints)

    termination = result.termination
    bound = termination.objective_bounds.dual_bound
    found = result.has_primal_feasible_solution()
    return MatrixResult(
        reason=STATUS.get(termination.reason.name, Reason.ERROR),
        values=np.array(result.variable_values(columns)) if found else None,
        dual_bound=bound if math.isfinite(bound) else None,
        message=f"SCIP: {termination.reason.name.lower()} {termination.detail}".strip(),
    )


def _mathopt_model(mathopt: Any, model: MatrixModel) -> tuple[Any, list[Any]]:
    scip = mathopt.Model()
    columns = [
        scip.add_variable(lb=low, ub=high, is_integer=bool(integer))
        for low, high, integer in zip(model.lower.tolist(), model.upper.tolist(), model.integer, strict=True)
    ]
    scip.minimize(mathopt.LinearSum(c * x for c, x in zip(model.cost.tolist(), columns, strict=True) if c))
    starts, indices, data = model.matrix.indptr, model.matrix.indices, model.matrix.data.tolist()
    for row, (low, high) in enumerate(zip(model.row_lower.tolist(), model.row_upper.tolist(), strict=True)):
        constraint = scip.add_linear_constraint(lb=low, ub=high)
        for position in range(starts[row], starts[row + 1]):
            constraint.set_coefficient(columns[indices[position]], data[position])
    return scip, columns

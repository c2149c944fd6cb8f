"""The HiGHS inside SciPy: no seed, no threads, no warm start, no progress, and one dependency less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Reason

if TYPE_CHECKING:
    from placewise.solvers.backends.lowering import MatrixModel

STATUS = {0: Reason.OPTIMAL, 1: Reason.LIMIT, 2: Reason.INFEASIBLE, 3: Reason.ERROR, 4: Reason.ERROR}


def minimise(model: MatrixModel, context: MatrixContext) -> MatrixResult:
    """Solve a lowered model with scipy.optimize.milp.

    Parameters
    ----------
    model, context : MatrixModel, MatrixContext
        What is minimised; options, time limit in seconds, warm start and reports.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    result = milp(
        model.cost,
        integrality=model.integer.astype(int),
        bounds=Bounds(model.lower, model.upper),
        constraints=LinearConstraint(model.matrix, model.row_lower, model.row_upper),
        options={
            "time_limit": context.time_limit,
            "mip_rel_gap": context.parameters.relative_gap,
            "disp": context.parameters.log is not None,
        },
    )
    return MatrixResult(
        reason=STATUS.get(result.status, Reason.ERROR),
        values=result.x,
        dual_bound=result.get("mip_dual_bound"),
        message=f"scipy: {result.message}",
    )

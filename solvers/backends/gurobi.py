"""Gurobi, when gurobipy and a licence are installed; its free licence takes 2,000 rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Reason

if TYPE_CHECKING:
    from placewise.solvers.backends.lowering import MatrixModel

STATUS = {
    2: Reason.OPTIMAL,
    3: Reason.INFEASIBLE,
    7: Reason.LIMIT,
    8: Reason.LIMIT,
    9: Reason.LIMIT,
    11: Reason.LIMIT,
}


def minimise(model: MatrixModel, context: MatrixContext) -> MatrixResult:
    """Solve a lowered model with Gurobi.

    Parameters
    ----------
    model, context : MatrixModel, MatrixContext
        What is minimised; options, time limit in seconds, warm start and reports.
    """
    import gurobipy

    parameters = context.parameters
    with (
        gurobipy.Env(params={"OutputFlag": int(parameters.log is not None)}) as env,
        gurobipy.Model(env=env) as grb,
    ):
        kinds = np.where(model.integer, gurobipy.GRB.INTEGER, gurobipy.GRB.CONTINUOUS)
        x = grb.addMVar(model.shape[1], lb=model.lower, ub=model.upper, obj=model.cost, vtype=kinds)
        low, high = np.isfinite(model.row_lower), np.isfinite(model.row_upper)
        grb.addConstr(model.matrix[low] @ x >= model.row_lower[low])
        grb.addConstr(model.matrix[high] @ x <= model.row_upper[high])
        grb.Params.TimeLimit, grb.Params.MIPGap, grb.Params.MIPGapAbs = (
            context.time_limit,
            parameters.relative_gap,
            0,
        )
        grb.Params.FeasibilityTol = grb.Params.IntFeasTol = 1e-9
        grb.Params.Threads, grb.Params.Seed = parameters.thread_count, parameters.seed
        if context.start is not None:
            x.Start = context.start

        def watch(grb_model: Any, where: int) -> None:
            if where == gurobipy.GRB.Callback.MIPSOL:
                context.on_solution(np.array(grb_model.cbGetSolution(x)))
            elif where == gurobipy.GRB.Callback.MIP:
                context.on_bound(grb_model.cbGet(gurobipy.GRB.Callback.MIP_OBJBND))

        grb.optimize(watch)
        bound = grb.ObjBound if grb.Status != gurobipy.GRB.INFEASIBLE else None
        return MatrixResult(
            reason=STATUS.get(grb.Status, Reason.ERROR),
            values=np.array(x.X) if grb.SolCount else None,
            dual_bound=bound if bound is not None and np.isfinite(bound) else None,
            message=f"Gurobi: status {grb.Status}",
        )

"""HiGHS, through highspy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Reason

if TYPE_CHECKING:
    from placewise.solvers.backends.lowering import MatrixModel

STATUS = {
    "kOptimal": Reason.OPTIMAL,
    "kInfeasible": Reason.INFEASIBLE,
    "kTimeLimit": Reason.LIMIT,
    "kMemoryLimit": Reason.LIMIT,
    "kIterationLimit": Reason.LIMIT,
    "kSolutionLimit": Reason.LIMIT,
    "kInterrupt": Reason.LIMIT,
}
#: The bit of presolve's enumeration, whose reductions lose a row: with it HiGHS 1.13.1 proved a false optimum and called a
#: feasible instance infeasible (``tests/instances/wrong``, restart and enumeration).
ENUMERATION = 1 << 16


def minimise(model: MatrixModel, context: MatrixContext) -> MatrixResult:
    """Solve a lowered model with HiGHS.

    Parameters
    ----------
    model, context : MatrixModel, MatrixContext
        What is minimised; options, time limit in seconds, warm start and reports.
    """
    import highspy

    # Threads belong to the process in HiGHS: without this a second run with another number is an error.
    highspy.Highs.resetGlobalScheduler(True)
    highs = highspy.Highs()
    parameters = context.parameters
    highs.setOptionValue("output_flag", parameters.log is not None)
    highs.setOptionValue("time_limit", context.time_limit)
    highs.setOptionValue("mip_rel_gap", parameters.relative_gap)
    highs.setOptionValue("mip_abs_gap", 0.0)
    highs.setOptionValue("random_seed", parameters.seed)
    highs.setOptionValue("threads", parameters.thread_count)
    highs.setOptionValue("presolve_rule_off", ENUMERATION)
    highs.passModel(_highs_lp(highspy, model))
    if context.start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = context.start.tolist()
        highs.setSolution(solution)
    highs.cbMipImprovingSolution.subscribe(
        lambda event: context.on_solution(np.array(event.data_out.mip_solution))
    )

    def on_interrupt(event: Any) -> None:
        context.on_bound(event.data_out.mip_dual_bound)
        if context.stopped():
            event.interrupt()

    highs.cbMipInterrupt.subscribe(on_interrupt)
    highs.run()

    status = highs.getModelStatus()
    info = highs.getInfo()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible.value
    return MatrixResult(
        reason=STATUS.get(status.name, Reason.ERROR),
        values=np.array(highs.getSolution().col_value) if found else None,
        dual_bound=info.mip_dual_bound if np.isfinite(info.mip_dual_bound) else None,
        message=f"HiGHS: {highs.modelStatusToString(status)}",
    )


def linear_highs(**settings: float | str) -> Any:
    """Return HiGHS for linear programmes that are solved again and again: silent, without presolve.

    It takes the threads that the process has: another number than the first run's is an error, and no run.

    Parameters
    ----------
    **settings
        More of its options.
    """
    import highspy

    highs = highspy.Highs()
    for option, setting in {"output_flag": False, "presolve": "off", **settings}.items():
        highs.setOptionValue(option, setting)
    return highs


def _highs_lp(highspy: Any, model: MatrixModel) -> Any:
    problem = highspy.HighsLp()
    problem.num_row_, problem.num_col_ = model.shape
    problem.col_cost_ = model.cost
    problem.col_lower_, problem.col_upper_ = model.lower, model.upper
    problem.row_lower_, problem.row_upper_ = model.row_lower, model.row_upper
    problem.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    problem.a_matrix_.start_ = model.matrix.indptr
    problem.a_matrix_.index_ = model.matrix.indices
    problem.a_matrix_.value_ = model.matrix.data
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    problem.integrality_ = [kinds[int(integer)] for integer in model.integer]
    return problem

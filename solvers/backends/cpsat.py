"""CP-SAT of OR-Tools: for its own models, and for lowered MILPs whose numbers are integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.solvers.backends.lowering import MatrixModel
    from placewise.solvers.execution.parameters import Parameters

STATUS = {
    "OPTIMAL": Reason.OPTIMAL,
    "INFEASIBLE": Reason.INFEASIBLE,
    "FEASIBLE": Reason.LIMIT,
    "UNKNOWN": Reason.LIMIT,
    "MODEL_INVALID": Reason.ERROR,
}
#: CP-SAT's strength is a portfolio of different searches: fewer than eight workers lose some of them,
#: and they share the cores well (measured: 50 devices, 70B, 2 cores: 1.2-3 s with 8 workers, 2.4-20 s with 2).
PORTFOLIO = 8
#: Variables up to which one worker tries first, so long: eight take longer to begin than many a small model to be solved.
SMALL, FIRST_TRY = 200, 0.02
#: Sum of all objective terms after scaling, as a power of two; 64-bit sums must hold.
OBJECTIVE_BITS = 56
#: Stands for an infinite bound of a row.
UNBOUNDED = 2**62


@dataclass(frozen=True)
class CpResult:
    """CP-SAT's answer: reason, the best values by variable index, and the bound in the objective's integers.

    Parameters
    ----------
    reason : Reason
        Why CP-SAT stopped.
    found : bool
        Whether there are values.
    value : callable
        ``variable or expression -> int``, in the best solution.
    dual_bound : float
        In the objective's integers; infinite for none.
    message : str
        Its status, for people.
    """

    reason: Reason
    found: bool
    value: Callable[[Any], int]
    dual_bound: float
    message: str


def solve_cp(
    model: Any,
    parameters: Parameters,
    time_limit: float,
    on_solution: Callable[[Callable[[Any], int]], None],
    on_bound: Callable[[float], None],
) -> CpResult:
    """Solve a CP-SAT model.

    Parameters
    ----------
    model : ortools CpModel
        Minimises an integer objective.
    parameters : Parameters
        Gap, threads, seed, log.
    time_limit : float
        Seconds.
    on_solution : callable
        Called with a function from variable to value at each better solution.
    on_bound : callable
        Called with each better bound.

    Raises
    ------
    NotApplicableError
        When the model's numbers do not fit CP-SAT, with what it says of them.
    """
    from ortools.sat.python import cp_model

    class Reporter(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            on_solution(self.value)

    fault = model.validate()
    if fault:
        raise NotApplicableError(f"CP-SAT takes 64-bit sums only: {' '.join(fault.split())[:200]}")
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit
    solver.parameters.relative_gap_limit = parameters.relative_gap
    solver.parameters.random_seed = parameters.seed
    # Of CP-SAT 9.15's wrong proofs some came from here; without it 70B on 50 devices takes half the time.
    solver.parameters.cp_model_probing_level = 0
    # Its handler would take Ctrl-C's place for good: the next one then kills the process, and what was found is lost.
    solver.parameters.catch_sigint_signal = False
    solver.parameters.log_search_progress = parameters.log is not None
    solver.best_bound_callback = on_bound
    name, workers = "UNKNOWN", parameters.threads or max(PORTFOLIO, parameters.thread_count)
    if workers > 1 and len(model.proto.variables) <= SMALL:
        solver.parameters.num_workers = 1
        # In CP-SAT's own time, which is the same on all machines.
        solver.parameters.max_deterministic_time = FIRST_TRY
        name = solver.status_name(solver.solve(model, Reporter()))
        solver.parameters.max_deterministic_time = math.inf
        solver.parameters.max_time_in_seconds = max(time_limit - solver.wall_time, 0.0)
    if name in ("UNKNOWN", "FEASIBLE"):
        solver.parameters.num_workers = workers
        name = solver.status_name(solver.solve(model, Reporter()))
    # The integer that CP-SAT proved; `best_objective_bound` is a double that went through its scaling.
    bound = solver.response_proto.inner_objective_lower_bound + model.proto.objective.offset
    return CpResult(
        reason=STATUS.get(name, Reason.ERROR),
        found=name in ("OPTIMAL", "FEASIBLE"),
        value=solver.value,
        dual_bound=bound,
        message=f"CP-SAT: {name.lower()}",
    )


def minimise(model: MatrixModel, context: MatrixContext) -> MatrixResult:
    """Solve a lowered model with CP-SAT.

    Parameters
    ----------
    model, context : MatrixModel, MatrixContext
        What is minimised; options, time limit in seconds, warm start and reports.

    Raises
    ------
    NotApplicableError
        When a variable is continuous, or a row has a number that is no integer: rounding it would be silent.
    """
    from ortools.sat.python import cp_model

    rows = _integer_rows(model)
    integers = cp_model.CpModel()
    columns = [
        integers.new_int_var(round(low), round(high), f"x{n}")
        for n, (low, high) in enumerate(zip(model.lower.tolist(), model.upper.tolist(), strict=True))
    ]
    for indices, coefficients, low, high in rows:
        body = cp_model.LinearExpr.weighted_sum([columns[n] for n in indices], coefficients)
        integers.add_linear_constraint(body, low, high)
    scale, cost, slack = _integer_cost(model)
    integers.minimize(cp_model.LinearExpr.weighted_sum(columns, cost))
    if context.start is not None:
        for column, value in zip(columns, context.start.tolist(), strict=True):
            integers.add_hint(column, round(value))

    def values(value: Callable[[Any], int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([value(column) for column in columns], dtype=np.float64)

    result = solve_cp(
        integers,
        context.parameters,
        context.time_limit,
        on_solution=lambda value: context.on_solution(values(value)),
        on_bound=lambda bound: context.on_bound((bound - slack) / scale),
    )
    return MatrixResult(
        reason=result.reason,
        values=values(result.value) if result.found else None,
        dual_bound=(result.dual_bound - slack) / scale if math.isfinite(result.dual_bound) else None,
        message=result.message,
    )


def _integer_rows(model: MatrixModel) -> list[tuple[list[int], list[int], int, int]]:
    """Return columns, coefficients and bounds of each row as the Pyomo model states it, or refuse a fraction."""
    if not model.integer.all():
        name = model.columns[int(np.argmin(model.integer))].name
        raise NotApplicableError(f"CP-SAT takes integer variables only; {name} is continuous")
    rows = []
    for row, scale in enumerate(model.row_scale.tolist()):
        span = slice(model.matrix.indptr[row], model.matrix.indptr[row + 1])
        numbers = [number / scale for number in (*model.matrix.data[span].tolist(), *model.row_bounds(row))]
        finite = [number for number in numbers if math.isfinite(number)]
        if any(number != round(number) for number in finite):
            raise NotApplicableError(f"CP-SAT takes integer rows only; {model.row_names[row]} has a fraction")
        if any(abs(number) >= UNBOUNDED for number in finite):
            raise NotApplicableError(
                f"CP-SAT takes 64-bit numbers only; {model.row_names[row]} overflows them"
            )
        *coefficients, low, high = (round(max(min(number, UNBOUNDED), -UNBOUNDED)) for number in numbers)
        rows.append((model.matrix.indices[span].tolist(), coefficients, low, high))
    return rows


def _integer_cost(model: MatrixModel) -> tuple[float, list[int], float]:
    """Return scale, integer costs, and by how much their rounding can lift the objective of any solution."""
    reach = np.maximum(np.abs(model.lower), np.abs(model.upper))
    total = float(np.abs(model.cost) @ reach)
    scale = 2.0 ** (OBJECTIVE_BITS - math.frexp(total)[1]) if total > 0 else 1.0
    cost = np.rint(model.cost * scale)
    slack = float(np.abs(cost - model.cost * scale) @ reach)
    return scale, cost.astype(np.int64).tolist(), slack

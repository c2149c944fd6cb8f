"""CBC, through PuLP, which carries the solver and speaks to it by files."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Reason
from placewise.solvers.execution.processes import exit_words

if TYPE_CHECKING:
    from placewise.solvers.backends.lowering import MatrixModel
    from placewise.solvers.execution.parameters import Parameters

#: By the line that CBC itself logs: PuLP reports "Optimal" after a time limit too.
STATUS = {
    "Optimal solution found": Reason.OPTIMAL,
    "Problem proven infeasible": Reason.INFEASIBLE,
    "Problem is infeasible": Reason.INFEASIBLE,
    "Linear relaxation infeasible": Reason.INFEASIBLE,
    # All our variables are bounded.
    "Pre-processing says infeasible or unbounded": Reason.INFEASIBLE,
    "Stopped on time limit": Reason.LIMIT,
    "Stopped on node limit": Reason.LIMIT,
}

#: By itself CBC 2.10.3 passes over solutions that are better by less than 1e-5, and its preprocessing calls feasible
#: knapsacks infeasible. Without it instances take 0.5 to 1.8 times as long, most of them as long.
OPTIONS = ("allowableGap 0", "increment 1e-9", "preprocess off")
#: How it then ends where it finds no solution before its search: in writing that down, with its log lost. Told to quit
#: before that, it says why.
CRASHED = f"died{exit_words(-signal.SIGSEGV)}"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
#: Half a unit of the last decimal of "Lower bound:".
LAST_DECIMAL = 0.0005
#: By how much eight printed digits may be off, relatively.
PRINTED_DIGITS = 1e-7
#: Of the gap, so that what CBC calls within it is within it after rounding, too.
GAP_SHARE = 0.999
#: CBC's infinity is 1e50.
NO_BOUND = 1e40


def minimise(model: MatrixModel, context: MatrixContext) -> MatrixResult:
    """Solve a lowered model with CBC.

    Parameters
    ----------
    model, context : MatrixModel, MatrixContext
        What is minimised; options, time limit in seconds, warm start and reports.
    """
    import pulp

    problem, columns = _pulp_problem(pulp, model)
    if context.start is not None:
        for column, value in zip(columns, context.start.tolist(), strict=True):
            column.setInitialValue(value)
    reason, message, text = run_cbc(
        problem, context.parameters, context.time_limit, start=context.start is not None
    )
    found = problem.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    values = np.array([column.varValue or 0.0 for column in columns]) if found else None
    if reason is Reason.OPTIMAL and values is None:
        reason, message = Reason.ERROR, f"{message}, but no solution was written"
    cost = None if values is None else float(model.cost @ values)
    return MatrixResult(
        reason, values, proven_bound(text, reason, cost, context.parameters.relative_gap), message
    )


def run_cbc(
    problem: Any, parameters: Parameters, time_limit: float, *, start: bool = False
) -> tuple[Reason, str, str]:
    """Run CBC on a PuLP problem; return what its log says, for people, and the log.

    Parameters
    ----------
    problem : pulp LpProblem
        It gets the values.
    parameters : Parameters
        Gap, threads, seed, log.
    time_limit : float
        Seconds.
    start : bool
        Whether the variables' values are a warm start.

    Returns
    -------
    (Reason, str, str)
        Why CBC stopped, its status line, its log.
    """
    import pulp

    with tempfile.TemporaryDirectory(prefix="placewise-cbc-") as folder:
        log = Path(folder) / "cbc.log"

        def solved(*more: str) -> str:
            solver = pulp.PULP_CBC_CMD(
                msg=False,
                timeLimit=max(time_limit, 0.01),
                gapRel=GAP_SHARE * parameters.relative_gap,
                threads=parameters.thread_count,
                warmStart=start,
                logPath=str(log),
                options=[f"randomCbcSeed {parameters.seed + 1}", *OPTIONS, *more],
            )
            solver.tmpDir = folder
            return _run(problem, solver)

        died = solved()
        if died == CRASHED:
            with contextlib.suppress(pulp.PulpSolverError):  # which misses the solution
                solved("solve", "quit")
            answer = log.read_text(encoding="utf-8", errors="replace")
            died = "" if _status(answer)[0] is Reason.INFEASIBLE else died
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if parameters.log is not None:
        print(text)
    reason, message = (Reason.ERROR, died) if died else _status(text)
    return reason, f"CBC: {message}", text


def _run(problem: Any, solver: Any) -> str:
    """Let PuLP run CBC; return how CBC died, which PuLP does not say, or nothing."""
    from pulp.apis import coin_api

    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    coin_api.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": Noted})
    try:
        problem.solve(solver)
    except coin_api.PulpSolverError:
        if started and started[-1].returncode:
            return f"died{exit_words(started[-1].returncode)}"
        raise
    finally:
        coin_api.subprocess = subprocess
    return ""


def _status(text: str) -> tuple[Reason, str]:
    for phrase, reason in STATUS.items():
        if phrase.lower() in text.lower():
            return reason, phrase.lower()
    return Reason.ERROR, (text.strip().splitlines() or ["no output"])[-1]


def proven_bound(text: str, reason: Reason, cost: float | None, relative_gap: float) -> float | None:
    """Return the bound that a log proves: what its numbers may be at least, before they were rounded for printing.

    Parameters
    ----------
    text : str
        The log. "Lower bound:" has three decimals, "best possible" eight digits.
    reason : Reason
        What the log says.
    cost : float or None
        Of the solution.
    relative_gap : float
        That was asked for: CBC calls a solution within it optimal, and prints the bound with three decimals only.
    """
    final = _numbers(rf"Lower bound:\s+({_NUMBER})", text)
    logged = _numbers(rf"best possible ({_NUMBER})", text)
    proven = [number - PRINTED_DIGITS * abs(number) for number in logged[-1:]]
    if final:
        least, most = (
            final[-1] + sign * (LAST_DECIMAL + PRINTED_DIGITS * abs(final[-1])) for sign in (-1, 1)
        )
        # The same bound with more digits, if it is the same.
        proven = [max(least, number) for number in proven if number <= most] or [least]
    if reason is Reason.OPTIMAL and cost is not None:
        if not final:  # it closed the gap, and prints none
            return cost
        proven.append(cost - GAP_SHARE * relative_gap * max(abs(cost), abs(final[-1])))
    return max(proven, default=None)


def _numbers(pattern: str, text: str) -> list[float]:
    """Return the finite numbers in a log; CBC prints 1e+50 for none."""
    return [number for number in map(float, re.findall(pattern, text)) if abs(number) < NO_BOUND]


def _pulp_problem(pulp: Any, model: MatrixModel) -> tuple[Any, list[Any]]:
    problem = pulp.LpProblem("placewise", pulp.LpMinimize)
    columns = [
        pulp.LpVariable(
            f"x{n}",
            None if np.isinf(low) else low,
            None if np.isinf(high) else high,
            pulp.LpInteger if integer else pulp.LpContinuous,
        )
        for n, (low, high, integer) in enumerate(
            zip(model.lower.tolist(), model.upper.tolist(), model.integer, strict=True)
        )
    ]
    # Every column stands in the objective, so that PuLP writes every column.
    problem.setObjective(pulp.LpAffineExpression(zip(columns, model.cost.tolist(), strict=True)))
    starts, indices, data = model.matrix.indptr, model.matrix.indices, model.matrix.data.tolist()
    for row, (low, high) in enumerate(zip(model.row_lower.tolist(), model.row_upper.tolist(), strict=True)):
        span = range(starts[row], starts[row + 1])
        body = pulp.LpAffineExpression((columns[indices[p]], data[p]) for p in span)
        if low == high:
            problem.addConstraint(body == low, f"r{row}")
        elif np.isfinite(high):
            problem.addConstraint(body <= high, f"r{row}")
        else:
            problem.addConstraint(body >= low, f"r{row}")
    return problem, columns

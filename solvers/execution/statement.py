"""A statement's way through a back-end: lower, solve, extract, and cut off what tolerances let through."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from placewise.models.registry import problem_of
from placewise.models.statement import Statement
from placewise.models.units import MILLISECONDS
from placewise.solvers.backends.lowering import LEAST_OBJECTIVE, lower
from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.evidence.result import Claim, Reason

if TYPE_CHECKING:
    from placewise.models.problem import Formulation, Instance, InstanceT, Problem
    from placewise.solvers.backends.lowering import MatrixModel
    from placewise.solvers.execution.context import Context
    from placewise.solvers.execution.method import Backend, Minimise

#: Of the time limit, kept for the end of a solver, which looks at its clock now and then: a share, and seconds at most.
HAND_OVER_SHARE, HAND_OVER_S = 0.05, 1.0


def run_formulation(
    problem: Problem[InstanceT, Any],
    formulation: Formulation[InstanceT, Any],
    backend: Backend,
    instance: InstanceT,
    context: Context,
) -> Claim:
    """Solve an instance by a back-end on one of its problem's formulations.

    Parameters
    ----------
    problem : Problem
        What is stated.
    formulation : Formulation
        One of the problem's.
    backend : Backend
        Solves the lowered model.
    instance : Instance
        What is solved.
    context : Context
        Options, clock, warm start, and where progress goes.
    """
    began = perf_counter()
    statement = Statement.of(instance, formulation)
    build_s = perf_counter() - began
    return StatementSolve(problem, statement, backend.minimise, context, build_s).claim()


def write_model(instance: Instance, formulation: str, kind: str, target: str | Path) -> None:
    """Write a declarative model as ``mps`` or ``lp``: objective in milliseconds, names of the model.

    Parameters
    ----------
    instance : Instance
        What is stated.
    formulation : str
        Name of one of its problem's formulations.
    kind : str
        ``mps`` or ``lp``.
    target : str or path
        Where the text goes.
    """
    from placewise.instances.files import write_text  # a worker starts without the file formats

    model = problem_of(instance).formulations[formulation].build(instance)
    name, model.name = model.name, "placewise-model"  # Pyomo writes in the system's encoding
    with tempfile.TemporaryDirectory(prefix="placewise-") as folder:
        file = Path(folder) / f"model.{kind}"
        model.write(str(file), io_options={"symbolic_solver_labels": True})
        write_text(target, file.read_text(encoding="utf-8").replace(model.name, name, 1))


class StatementSolve:
    """One statement that is solved, perhaps several times.

    Rows of bytes reach a solver relaxed, so it may overload a device by some. Such a placement is cut off by name, and
    the model is solved again with these rows in digits; what is left of the time limit bounds this, and a bound of
    before stays one. It is solved again, too, without choices dearer than the placement found, where those made it
    small beside a solver's tolerances.

    Parameters
    ----------
    problem : Problem
        What is stated.
    statement : Statement
        The model; where rows were added to it, only placements that keep them count, and its bound is its own.
    minimise : callable
        Of a back-end: ``(MatrixModel, MatrixContext) -> MatrixResult``.
    context : Context
        Options, clock, warm start.
    build_s : float
        Seconds that building took.
    """

    def __init__(
        self,
        problem: Problem[Any, Any],
        statement: Statement[Any, Any],
        minimise: Minimise,
        context: Context,
        build_s: float = 0.0,
    ) -> None:
        self.problem, self.statement, self.minimise, self.context = problem, statement, minimise, context
        self.build_s, self.solve_s = build_s, 0.0
        self.known = None if statement.extended else context.warm_start
        self.known_s = self._cost_s(self.known)
        if self.known_s is None:
            self.known = None
        self.proven = -math.inf

    def claim(self) -> Claim:
        """Solve until nothing is left to be cut off, and return what came out."""
        if not self._seconds():
            return self._late("built")
        digits = False
        while True:
            began = perf_counter()
            matrix, result, (placement, objective, bound) = self._once(digits=digits)
            self.solve_s += perf_counter() - began
            self.proven = max(self.proven, -math.inf if bound is None else bound)
            if placement is None:
                break
            if self.statement.tighten(placement):
                digits = True
                if self.context.remaining:
                    continue
                placement = None
                result = MatrixResult(Reason.LIMIT, message=f"{result.message}; it overloads a device")
                break
            broken = self.statement.broken_row()
            if broken is not None:
                return self._claim(
                    MatrixResult(Reason.ERROR, message=f"{result.message}; {broken}"), None, None
                )
            if self.statement.extended:  # costs may be the user's
                break
            self.known, self.known_s = placement, self._cost_s(placement)
            if self.known_s is None or not self.context.remaining:
                break
            if not matrix.drop_dearer(MILLISECONDS * self.known_s):
                break
            # a bound of before may be drowned, too
            self.context.warm_start, self.proven = placement, -math.inf
        if placement is None and self.known is not None:
            placement, objective = self.known, self.known_s
            if result.reason is Reason.INFEASIBLE:
                result = MatrixResult(
                    Reason.ERROR, message=f"{result.message}, which a known placement refutes"
                )
                self.proven = -math.inf
        return self._claim(result, placement, objective)

    def _claim(self, result: MatrixResult, placement: Any, objective: float | None) -> Claim:
        return Claim(
            reason=result.reason,
            placement=placement,
            objective=objective if placement is not None else None,
            dual_bound=self.proven if math.isfinite(self.proven) else None,
            message=result.message,
            build_s=self.build_s,
            solve_s=self.solve_s,
        )

    def _late(self, what: str) -> Claim:
        message = f"the time limit ended while the model was {what}"
        return self._claim(MatrixResult(Reason.LIMIT, message=message), self.known, self.known_s)

    def _cost_s(self, placement: Any) -> float | None:
        """Return what a feasible placement costs; None without one."""
        if placement is None:
            return None
        evaluation = self.problem.evaluate(self.statement.instance, placement)
        return evaluation.objective if evaluation.feasible else None

    def _seconds(self) -> float:
        """Return the seconds that a solver is given: what is left, less what it needs to end and hand over."""
        share_s = HAND_OVER_SHARE * self.context.parameters.time_limit
        return max(self.context.remaining - min(share_s, HAND_OVER_S), 0.0)

    def _once(
        self, *, digits: bool
    ) -> tuple[MatrixModel, MatrixResult, tuple[Any, float | None, float | None]]:
        context, statement = self.context, self.statement
        if context.warm_start is not None:
            statement.start(context.warm_start)
        matrix = lower(statement.model, digits=digits)
        if self.known_s is not None and matrix.drop_dearer(MILLISECONDS * self.known_s):
            matrix = lower(statement.model, digits=digits)

        def placement_of(values: Any) -> Any:
            matrix.load(values)
            return statement.extract()

        def on_solution(values: Any) -> None:
            placement = placement_of(values)
            if statement.broken_row() is None:
                context.report(objective=self._cost_s(placement), placement=placement)

        def seconds(objective: float) -> float:
            return matrix.unscaled(objective) / MILLISECONDS

        def on_bound(bound: float) -> None:
            if bound >= LEAST_OBJECTIVE:  # less drowns in the tolerances, and may yet turn out to be wrong
                context.report(dual_bound=seconds(bound))

        seconds_left = self._seconds()
        if not seconds_left:
            late = MatrixResult(Reason.LIMIT, message="the time limit ended while the model was lowered")
            return matrix, late, (None, None, None)
        result = self.minimise(
            matrix,
            MatrixContext(
                parameters=context.parameters,
                time_limit=seconds_left,
                start=matrix.start() if context.warm_start is not None else None,
                on_solution=on_solution,
                on_bound=on_bound,
                stopped=context.stopped,
            ),
        )
        bound = None if result.dual_bound is None else seconds(result.dual_bound)
        if result.values is None:
            return matrix, result, (None, None, bound)
        placement = placement_of(result.values)
        return matrix, result, (placement, seconds(float(matrix.cost @ result.values)), bound)

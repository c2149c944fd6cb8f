"""A model that somebody extended: solved by any back-end, in a process of its own like any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.models.statement import Statement
from placewise.solvers.backends.matrix import MatrixContext, MatrixResult
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.statement import StatementSolve
from placewise.solvers.execution.task import MatrixTask, Named, guarded
from placewise.solvers.execution.worker import perform_isolated

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.problem import Instance
    from placewise.solvers.backends.lowering import MatrixModel
    from placewise.solvers.evidence.result import Claim, Progress
    from placewise.solvers.execution.method import Backend, Method, Minimise
    from placewise.solvers.execution.task import Task


@dataclass(frozen=True)
class OwnModel:
    """An extended model and the back-end that solves it.

    Parameters
    ----------
    statement : Statement
        Around the model as it was given.
    backend : Backend
        Solves it.
    """

    statement: Statement[Any, Any]
    backend: Backend

    @classmethod
    def of(cls, instance: Instance, method: Method[Any, Any], model: Any) -> OwnModel:
        """Return what is solved; raise `PlacewiseError` where the method or the model cannot be.

        Parameters
        ----------
        instance : Instance
            What the model must state.
        method : Method
            A back-end on a formulation.
        model : pyomo ConcreteModel
            One that placewise built, with what was added to it.
        """
        if method.backend is None:
            raise PlacewiseError(f"method {method.name!r} takes no model; expected a back-end, such as highs")
        return cls(Statement.around(instance, problem_of(instance), model), method.backend)

    def claim(self, task: Task, report: Callable[[Progress], None], *, isolate: bool) -> Claim:
        """Solve a copy, so that cuts stay out of the caller's model, and load what was found into its variables.

        Lowering is done here; the solver has a process of its own, unless ``isolate`` is False.

        Parameters
        ----------
        task : Task
            Options, warm start, and when the time limit began to count.
        report : callable
            Receives each `Progress`.
        isolate : bool
            Whether the solver has a process of its own.
        """
        import pyomo.environ as pyo

        given = self.statement
        copy = replace(given, model=given.model.clone())
        context = Context(task.parameters, task.warm_start, report, task.started)
        minimise = self._isolated() if isolate else self.backend.minimise
        solve = StatementSolve(problem_of(given.instance), copy, minimise, context)
        claim = guarded(solve.claim, context)
        if claim.placement is not None:
            pairs = zip(
                given.model.component_data_objects(pyo.Var),
                copy.model.component_data_objects(pyo.Var),
                strict=True,
            )
            for variable, found in pairs:
                variable.set_value(found.value, skip_validation=True)
        return claim

    def _isolated(self) -> Minimise:
        def minimise(matrix: MatrixModel, options: MatrixContext) -> MatrixResult:
            def pass_on(step: Progress) -> None:
                if step.placement is not None:
                    options.on_solution(step.placement)
                if step.dual_bound is not None:
                    options.on_bound(step.dual_bound)

            # A Pyomo model cannot be sent; its matrix can.
            portable = replace(matrix, columns=[Named(variable.name) for variable in matrix.columns])
            parameters = replace(options.parameters, time_limit=options.time_limit)
            claim = perform_isolated(MatrixTask(portable, self.backend, parameters, options.start), pass_on)
            return MatrixResult(claim.reason, claim.placement, claim.dual_bound, claim.message)

        return minimise

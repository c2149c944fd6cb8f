"""A declarative model of an instance, built: to be solved by anything, extended, relaxed, and read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from placewise.models.errors import PlacewiseError
from placewise.models.problem import Formulation, InstanceT, PlacementT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.problem import Instance, Problem

#: Relative to a row's bound: what floating-point solvers leave of a row that somebody added.
ROW_TOLERANCE = 1e-6


def stated(model: Any, instance: Instance, formulation: str) -> Any:
    """Return a model that knows what it states: what is added to it later is somebody's own.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As it was built.
    instance : Instance
        What it states.
    formulation : str
        Under which name in the problem.
    """
    model.stated_instance, model.stated_as = instance, formulation
    model.stated_parts = frozenset(part.name for part in model.component_objects())
    return model


@dataclass(frozen=True, eq=False)
class Statement(Generic[InstanceT, PlacementT]):
    """An instance stated as a Pyomo model.

    Parameters
    ----------
    instance : Instance
        What is stated.
    formulation : Formulation
        How.
    model : pyomo ConcreteModel
        Minimises milliseconds. Rows and variables of one's own may be added to it.
    extended : bool
        Whether they were: its optimum is then that of the extended model.
    """

    instance: InstanceT
    formulation: Formulation[InstanceT, PlacementT]
    model: Any
    extended: bool = False

    @classmethod
    def of(
        cls, instance: InstanceT, formulation: Formulation[InstanceT, PlacementT]
    ) -> Statement[InstanceT, PlacementT]:
        """Build the model of an instance.

        Parameters
        ----------
        instance : Instance
            Of the formulation's problem.
        formulation : Formulation
            Builds the model.
        """
        return cls(instance, formulation, formulation.build(instance))

    @classmethod
    def around(
        cls, instance: InstanceT, problem: Problem[InstanceT, PlacementT], model: Any
    ) -> Statement[InstanceT, PlacementT]:
        """Return the statement that a model, to which something was added, is of an instance.

        Parameters
        ----------
        instance : Instance
            What it must state.
        problem : Problem
            Of the instance.
        model : pyomo ConcreteModel
            As a formulation of the problem builds it, e.g. `placewise.models.edgeshard.latency_milp`, with rows,
            variables and fixed variables of one's own.

        Raises
        ------
        PlacewiseError
            Where it is no such model, one of another instance, or something of it was removed or deactivated.
        """
        formulation = problem.formulations.get(getattr(model, "stated_as", ""))
        if formulation is None:
            expected = ", ".join(problem.formulations)
            raise PlacewiseError(
                f"model: expected a model of {problem.name} ({expected}) that placewise built"
            )
        if model.stated_instance != instance:
            raise PlacewiseError(
                f"model: expected a model of {instance.name}; it states {model.stated_instance.name}"
            )
        left = {part.name for part in model.component_objects(active=True)}
        for name in sorted(model.stated_parts - left):
            raise PlacewiseError(f"model: {name} was removed or deactivated; rows may only be added")
        return cls(instance, formulation, model, extended=True)

    def extract(self) -> PlacementT:
        """Return the placement that the variables' values state."""
        return self.formulation.extract(self.model)

    def start(self, placement: PlacementT) -> None:
        """Set every variable to the value that a placement implies, as a warm start; fixed ones keep theirs."""
        import pyomo.environ as pyo

        fixed = [(v, v.value) for v in self.model.component_data_objects(pyo.Var) if v.fixed]
        self.formulation.start(self.model, placement)
        for variable, value in fixed:
            variable.set_value(value, skip_validation=True)

    def tighten(self, placement: PlacementT) -> bool:
        """Cut off a placement that overloads a device within a solver's tolerance; False if there is nothing to cut."""
        return self.formulation.tighten(self.model, placement)

    def broken_row(self) -> str | None:
        """Return the first added row that the variables' values break, for people; None where there is none."""
        import pyomo.environ as pyo

        for row in self._own_rows():
            body = pyo.value(row.body, exception=False)
            if body is None:
                return f"{row.name} has a variable without a value"
            for bound, sign in ((pyo.value(row.lower), -1), (pyo.value(row.upper), 1)):
                if bound is not None and sign * (body - bound) > ROW_TOLERANCE * max(1.0, abs(bound)):
                    return f"{row.name} is broken: {body:g} against {bound:g}"
        return None

    def _own_rows(self) -> Iterator[Any]:
        import pyomo.environ as pyo

        if self.extended:
            for part in self.model.component_objects(pyo.Constraint, active=True):
                if part.name not in self.model.stated_parts:
                    yield from (row for row in part.values() if row.active)

    def relaxed(self) -> Any:
        """Return a copy of the model without integrality: its optimum is a bound, its rows have dual values."""
        import pyomo.environ as pyo

        copy = self.model.clone()
        pyo.TransformationFactory("core.relax_integer_vars").apply_to(copy)
        return copy

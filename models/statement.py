"""A declarative model of an instance, built: to be solved by anything, extended, relaxed, and read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from placewise.models.errors import PlacewiseError
from placewise.models.problem import Formulation, InstanceT, PlacementT

if TYPE_CHECKING:
    from placewise.models.problem import Problem


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
    """

    instance: InstanceT
    formulation: Formulation[InstanceT, PlacementT]
    model: Any

    @classmethod
    def of(
        cls, instance: InstanceT, formulation: Formulation[InstanceT, PlacementT]
    ) -> Statement[InstanceT, PlacementT]:
        """Build the model of an instance."""
        return cls(instance, formulation, formulation.build(instance))

    @classmethod
    def around(
        cls, instance: InstanceT, problem: Problem[InstanceT, PlacementT], model: Any
    ) -> Statement[InstanceT, PlacementT]:
        """Return the statement that a model was built as, by the variables that it has.

        Raises
        ------
        PlacewiseError
            Where it is the model of no formulation of the problem, or of another instance.
        """
        for formulation in problem.formulations.values():
            plain = formulation.build(instance)
            own = {part.name for part in plain.component_objects()}
            if own <= {part.name for part in model.component_objects()}:
                if model.name != plain.name:
                    raise PlacewiseError(f"model: expected one of {instance.name}, found one of {model.name}")
                return cls(instance, formulation, model)
        expected = ", ".join(problem.formulations)
        raise PlacewiseError(f"model: expected a model of {problem.name} ({expected}), with all its parts")

    def extract(self) -> PlacementT:
        """Return the placement that the variables' values state."""
        return self.formulation.extract(self.model)

    def start(self, placement: PlacementT) -> None:
        """Set every variable to the value that a placement implies, as a warm start."""
        self.formulation.start(self.model, placement)

    def tighten(self, placement: PlacementT) -> bool:
        """Cut off a placement that overloads a device within a solver's tolerance; False if there is nothing to cut."""
        return self.formulation.tighten(self.model, placement)

    def relaxed(self) -> Any:
        """Return a copy of the model without integrality: its optimum is a bound, its rows have dual values."""
        from pyomo.core import TransformationFactory

        copy = self.model.clone()
        TransformationFactory("core.relax_integer_vars").apply_to(copy)
        return copy

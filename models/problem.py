"""Problems and what all of them share: a descriptor, an evaluated placement, a violated constraint."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from placewise.models.errors import InstanceError
from placewise.models.lazy import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from placewise.models.resources import Resource


@dataclass(frozen=True)
class Violation:
    """One constraint that a placement breaks.

    Parameters
    ----------
    constraint : str
        The constraint's name, the same as in the declarative model, e.g. ``memory``.
    where : str
        The device, layer or link where it is broken.
    message : str
        One line for people, with the numbers.
    """

    constraint: str
    where: str
    message: str


@dataclass(frozen=True)
class Refused:
    """Stands for an object that is no placement: it can be sent between processes, which the object may not.

    Parameters
    ----------
    violations : tuple of Violation
        Why it is none; at least one.
    """

    violations: tuple[Violation, ...]

    def reasons(self) -> tuple[Violation, ...]:
        """Return the violations, whoever made this: at least one, and nothing else."""
        found = self.violations if type(self.violations) is tuple else ()
        kept = tuple(v for v in found if type(v) is Violation and type(v.message) is str)
        return kept or (Violation("assignment", "placement", "it is no placement"),)


@dataclass(frozen=True)
class Evaluation:
    """What a placement costs and which constraints it breaks: the specification of a problem, applied.

    Parameters
    ----------
    objective : float or None
        In the problem's unit; None where a placement has no cost (a missing link).
    terms : mapping of str to float
        The parts whose sum (or maximum) is the objective.
    violations : tuple of Violation
        All of them, not the first.
    """

    objective: float | None
    terms: Mapping[str, float]
    violations: tuple[Violation, ...] = ()

    @property
    def feasible(self) -> bool:
        """Whether no constraint is broken."""
        return not self.violations


class Instance(Protocol):
    """What every problem's validated data has."""

    @property
    def name(self) -> str:
        """Name of the instance, unique among the shipped ones."""

    @property
    def problem(self) -> str:
        """Key in `placewise.models.registry.PROBLEMS`."""


class Guarantee(Enum):
    """What a method's answer proves, when the method is right."""

    EXACT = "exact"
    """Its optimum and its dual bound are those of the problem."""
    RESTRICTION = "restriction"
    """It searches some of the placements: its value bounds from above, its dual bound proves nothing."""
    RELAXATION = "relaxation"
    """It searches more than the placements: its dual bound is valid, its solution may not be one."""
    HEURISTIC = "heuristic"
    """It returns a placement or none and proves nothing."""
    UNSAFE = "unsafe"
    """A heuristic as its paper prints it, which may return what is no placement at all."""

    @property
    def bounds(self) -> bool:
        """Whether a dual bound, or a claim of infeasibility, holds for the problem."""
        return self in (Guarantee.EXACT, Guarantee.RELAXATION)


@dataclass(frozen=True)
class Formulation:
    """One declarative model of a problem, as lazy references.

    Parameters
    ----------
    build : str
        ``instance -> pyomo ConcreteModel``, minimising milliseconds.
    extract : str
        ``model with values -> placement``.
    start : str
        ``(model, placement) -> None``: sets the variables' values, as a warm start.
    tighten : str
        ``(model, placement) -> bool``: adds a cut that forbids a placement that overloads a device within a
        solver's tolerance; False where there is nothing to cut.
    summary : str
        One line for `placewise methods`.
    """

    build: str
    extract: str
    start: str
    tighten: str
    summary: str


@dataclass(frozen=True)
class Problem:
    """A problem's lazy references: adding a problem is one folder and one entry of the registry."""

    name: str
    title: str
    unit: str
    evaluate: str
    floor_s: str
    placement_of: str
    placement_to_json: str
    placement_from_json: str
    diagnose: str
    resources: str
    scaled: str
    formulations: Mapping[str, Formulation] = field(default_factory=dict)

    def gate(self, instance: Any, anything: Any) -> tuple[Any, tuple[Violation, ...]]:
        """Return the placement that an object is, in plain tuples and integers, or None and why it is none.

        Parameters
        ----------
        instance : Instance
            Of the problem.
        anything : object
            Whatever a method, a warm start or a file gave: by index, by name, or as result files state it. No code
            of its class is run; nothing is raised.
        """
        if type(anything) is Refused:
            return None, anything.reasons()
        placement, violations = load(self.placement_of)(instance, anything)
        return placement, violations

    def evaluation(self, instance: Any, placement: Any) -> Evaluation:
        """Evaluate what may be a placement, in any form that `gate` takes: objective, terms, all violations."""
        result: Evaluation = load(self.evaluate)(instance, placement)
        return result

    def floor(self, instance: Any) -> float:
        """Return a bound that no placement can beat, from the equations alone, in the problem's unit."""
        bound: float = load(self.floor_s)(instance)
        return bound

    def placement_json(self, instance: Any, placement: Any) -> dict[str, Any]:
        """Return a placement, in any form that `gate` takes, as the result file states it.

        Raises
        ------
        InstanceError
            Where it is none.
        """
        canonical, violations = self.gate(instance, placement)
        if violations:
            raise InstanceError("placement", violations[0].message)
        document: dict[str, Any] = load(self.placement_to_json)(instance, canonical)
        return document

    def read_placement(self, instance: Any, document: Any) -> Any:
        """Read a placement of a result file, or raise `InstanceError`."""
        return load(self.placement_from_json)(instance, document)

    def why_infeasible(self, instance: Any) -> str | None:
        """Return a simple proof that the instance has no placement, if there is one."""
        reason: str | None = load(self.diagnose)(instance)
        return reason

    def resources_of(self, instance: Any) -> list[Resource]:
        """Return what the instance has more or less of: memory, speed and links of each device, each link, budgets."""
        found: list[Resource] = load(self.resources)(instance)
        return found

    def with_scaled(self, instance: Any, resource: Resource, factor: float) -> Any:
        """Return the instance with a resource scaled; an infinite factor means no limit (or a free link)."""
        return load(self.scaled)(instance, resource, factor)

"""Problems and what all of them share: a descriptor, an evaluated placement, a violated constraint."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from placewise.models.cluster import Cluster
    from placewise.models.resources import Resource

#: Names of `Problem` in 0.1, found for one version.
RENAMED = {
    "evaluation": "evaluate",
    "read_placement": "from_json",
    "why_infeasible": "diagnose",
    "resources_of": "resources",
    "with_scaled": "scaled",
}

InstanceT = TypeVar("InstanceT", bound="Instance")
PlacementT = TypeVar("PlacementT")


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
        """Name of its problem, one of `placewise.models.registry.problems`."""

    @property
    def cluster(self) -> Cluster:
        """Its devices."""

    @property
    def description(self) -> str:
        """One line for people, or nothing."""

    def __hash__(self) -> int:
        """By value, as equality."""


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


@dataclass(frozen=True, eq=False)
class Formulation(Generic[InstanceT, PlacementT]):
    """How a problem is stated as one declarative model; `placewise.models.statement` builds and reads it.

    Parameters
    ----------
    summary : str
        One line for `placewise methods`.
    build : callable
        ``instance -> pyomo ConcreteModel``, minimising milliseconds.
    extract : callable
        ``model with values -> placement``.
    start : callable
        ``(model, placement) -> None``: sets the variables' values, as a warm start.
    tighten : callable
        ``(model, placement) -> bool``: adds a cut that forbids a placement that overloads a device within a
        solver's tolerance; False where there is nothing to cut.
    honours : frozenset of str
        Which of the problem's `options` it states.
    """

    summary: str
    build: Callable[[InstanceT], Any]
    extract: Callable[[Any], PlacementT]
    start: Callable[[Any, PlacementT], None]
    tighten: Callable[[Any, PlacementT], bool]
    honours: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Problem(Generic[InstanceT, PlacementT]):
    """All that placewise knows about a problem: one object in the problem's folder, listed in `models.registry`.

    Parameters
    ----------
    name, title : str
        As instance files and tables name it.
    unit : str
        Of the objective: ``s``, in which all commands show it.
    evaluate : callable
        ``(instance, anything) -> Evaluation``: the specification. What is no placement is a violation.
    placement_of : callable
        ``(instance, anything) -> (placement or None, violations)``: the gate, see `gate`.
    to_json, from_json : callable
        A placement in canonical form as result files state it, and back; the latter raises `InstanceError`.
    floor : callable
        ``instance -> bound`` that no placement can beat, from the equations alone, in the problem's unit.
    diagnose : callable
        ``instance -> str or None``: a simple proof that there is no placement.
    resources, scaled : callable
        What an instance has more or less of, and ``(instance, resource, factor) -> instance`` with more or less of
        it; an infinite factor means no limit (or a free link).
    count, placements : callable
        How many placements an instance has, and all of them: the space of the brute force.
    formulations : mapping of str to Formulation
        Its declarative models, the strongest first.
    default_methods : tuple of str
        Tried in this order: the first that is exact for an instance is the default.
    first_methods, probing_methods : tuple of str
        Quick heuristics that go before every method that proves something, and those whose placements may refute a
        false "infeasible".
    stages : callable or None
        ``(instance, placement) -> rows`` by names for tables and pictures, see `placewise.models.stages`; None where a
        problem has none.
    options : callable
        ``instance -> names`` of what it asks for beyond the problem's plain statement. A method that does not honour
        one of them does not apply; `evaluate`, `placements`, `floor` and `diagnose` honour all.
    left_out : callable
        ``instance -> what its times leave out``, a few words each, as `placewise solve` shows them.
    figures : callable
        ``(instance, placement) -> numbers and words by name``: what else a placement amounts to, for results and people.
    """

    name: str
    title: str
    unit: str
    evaluate: Callable[[InstanceT, Any], Evaluation]
    placement_of: Callable[[InstanceT, Any], tuple[PlacementT | None, tuple[Violation, ...]]]
    to_json: Callable[[InstanceT, PlacementT], dict[str, Any]]
    from_json: Callable[[InstanceT, Any], PlacementT]
    floor: Callable[[InstanceT], float]
    diagnose: Callable[[InstanceT], str | None]
    resources: Callable[[InstanceT], list[Resource]]
    scaled: Callable[[InstanceT, Resource, float], InstanceT]
    count: Callable[[InstanceT], float]
    placements: Callable[[InstanceT], Iterator[PlacementT]]
    formulations: Mapping[str, Formulation[InstanceT, PlacementT]] = field(default_factory=dict)
    default_methods: tuple[str, ...] = ("highs",)
    first_methods: tuple[str, ...] = ()
    probing_methods: tuple[str, ...] = ()
    stages: Callable[[InstanceT, PlacementT], Sequence[Any]] | None = None
    options: Callable[[InstanceT], frozenset[str]] = lambda _: frozenset()
    left_out: Callable[[InstanceT], tuple[str, ...]] = lambda _: ()
    figures: Callable[[InstanceT, PlacementT], Mapping[str, Any]] = lambda _, __: {}

    def gate(self, instance: InstanceT, anything: object) -> tuple[PlacementT | None, tuple[Violation, ...]]:
        """Return the placement that an object is, in plain tuples and integers, or None and why it is none.

        Parameters
        ----------
        instance : Instance
            Of the problem.
        anything : object
            Whatever a method, a warm start or a file gave: by index, by name, or as result files state it. No code
            of its class is run; nothing is raised.

        Returns
        -------
        (placement or None, tuple of Violation)
            No violations with a placement, at least one with None.
        """
        if type(anything) is Refused:
            return None, anything.reasons()
        return self.placement_of(instance, anything)

    def placement_json(self, instance: InstanceT, placement: object) -> dict[str, Any]:
        """Return a placement, in any form that `gate` takes, as the result file states it.

        Parameters
        ----------
        instance : Instance
            Of the problem.
        placement : object
            Anything.

        Returns
        -------
        dict
            What `from_json` reads back.

        Raises
        ------
        InstanceError
            Where it is none.
        """
        canonical, violations = self.gate(instance, placement)
        if canonical is None:
            raise InstanceError("placement", violations[0].message)
        return self.to_json(instance, canonical)

    def __getattr__(self, name: str) -> Any:
        """Return what had another name in 0.1, with a warning."""
        if name in RENAMED:
            warnings.warn(f"Problem.{name} is now Problem.{RENAMED[name]}", DeprecationWarning, stacklevel=2)
            return getattr(self, RENAMED[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Travel between processes by name."""
        from placewise.models.registry import problem_named

        return problem_named, (self.name,)

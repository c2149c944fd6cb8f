"""Problems and what all of them share: a descriptor, an evaluated placement, a violated constraint."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from placewise.models.errors import PlacewiseError
from placewise.models.lazy import load

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        """Key in `PROBLEMS`."""


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
    """A problem's lazy references: adding a problem is one folder and one entry of `PROBLEMS`."""

    name: str
    title: str
    unit: str
    evaluate: str
    placement_to_json: str
    placement_from_json: str
    diagnose: str
    formulations: Mapping[str, Formulation] = field(default_factory=dict)

    def evaluation(self, instance: Any, placement: Any) -> Evaluation:
        """Evaluate a placement: objective, terms, all violations."""
        result: Evaluation = load(self.evaluate)(instance, placement)
        return result

    def placement_json(self, instance: Any, placement: Any) -> dict[str, Any]:
        """Return a placement as the result file states it."""
        document: dict[str, Any] = load(self.placement_to_json)(instance, placement)
        return document

    def read_placement(self, instance: Any, document: Any) -> Any:
        """Read a placement of a result file, or raise `InstanceError`."""
        return load(self.placement_from_json)(instance, document)

    def why_infeasible(self, instance: Any) -> str | None:
        """Return a simple proof that the instance has no placement, if there is one."""
        reason: str | None = load(self.diagnose)(instance)
        return reason


def _formulation(
    room: str, build: str, summary: str, *, values: str | None = None, tighten: str | None = None
) -> Formulation:
    """Return a formulation whose functions have their usual names, in the model's module or in another."""
    values = values or build.partition(":")[0]
    return Formulation(
        build=f"{room}.{build}",
        extract=f"{room}.{values}:extract",
        start=f"{room}.{values}:start",
        tighten=f"{room}.{tighten or values}:tighten",
        summary=summary,
    )


_EDGESHARD = "placewise.models.edgeshard"
_DILEMMA = "placewise.models.dilemma"
_HEADS = "placewise.models.head_migration"

PROBLEMS: dict[str, Problem] = {
    "edgeshard-latency": Problem(
        name="edgeshard-latency",
        title="EdgeShard: the least latency per token",
        unit="s",
        evaluate=f"{_EDGESHARD}.placement:evaluate_latency",
        placement_to_json=f"{_EDGESHARD}.placement:to_json",
        placement_from_json=f"{_EDGESHARD}.placement:from_json",
        diagnose=f"{_EDGESHARD}.diagnosis:diagnose",
        formulations={
            "flow": _formulation(
                _EDGESHARD,
                "milp:latency_milp",
                "layered flow with memory knapsacks; any layers, revisits allowed",
            ),
            "textbook": _formulation(
                _EDGESHARD,
                "milp:latency_textbook",
                "the paper's quadratic statement (Eq. 1-5), each product linearised",
            ),
        },
    ),
    "edgeshard-throughput": Problem(
        name="edgeshard-throughput",
        title="EdgeShard: the shortest bottleneck of a pipeline",
        unit="s",
        evaluate=f"{_EDGESHARD}.placement:evaluate_throughput",
        placement_to_json=f"{_EDGESHARD}.placement:to_json",
        placement_from_json=f"{_EDGESHARD}.placement:from_json",
        diagnose=f"{_EDGESHARD}.diagnosis:diagnose",
        formulations={
            "flow": _formulation(
                _EDGESHARD,
                "milp:throughput_milp",
                "layered flow, each device entered once, no big-M; any layers",
            ),
        },
    ),
    "edgeshard-batch": Problem(
        name="edgeshard-batch",
        title="EdgeShard: batch size and pipeline together, for the most tokens per second",
        unit="s",
        evaluate=f"{_EDGESHARD}.batches:evaluate",
        placement_to_json=f"{_EDGESHARD}.batches:to_json",
        placement_from_json=f"{_EDGESHARD}.batches:from_json",
        diagnose=f"{_EDGESHARD}.batches:diagnose",
        formulations={
            "flow": _formulation(
                _EDGESHARD,
                "batch_milp:batch_milp",
                "the pipeline's flow once per batch size, of which one is chosen",
            ),
        },
    ),
    "dilemma": Problem(
        name="dilemma",
        title="DILEMMA: placement and bit-width of each layer, for the least delay",
        unit="s",
        evaluate=f"{_DILEMMA}.placement:evaluate",
        placement_to_json=f"{_DILEMMA}.placement:to_json",
        placement_from_json=f"{_DILEMMA}.placement:from_json",
        diagnose=f"{_DILEMMA}.diagnosis:diagnose",
        formulations={
            "flow": _formulation(
                _DILEMMA, "milp:delay_milp", "layered flow over servers and widths; both modes"
            ),
        },
    ),
    "head-migration": Problem(
        name="head-migration",
        title="attention heads, projection and network over time, for the least delay with migration",
        unit="s",
        evaluate=f"{_HEADS}.placement:evaluate",
        placement_to_json=f"{_HEADS}.placement:to_json",
        placement_from_json=f"{_HEADS}.placement:from_json",
        diagnose=f"{_HEADS}.diagnosis:diagnose",
        formulations={
            "counts": _formulation(
                _HEADS,
                "milp:horizon_milp",
                "equal heads counted per device, moves as transports; any horizon",
                values="milp_values",
            ),
            "textbook": _formulation(
                _HEADS,
                "textbook:block_milp",
                "the paper's statement, one variable per block and device, each product linearised",
                tighten="milp_values",
            ),
        },
    ),
    "head-migration-decoder": Problem(
        name="head-migration-decoder",
        title="heads, projections and networks of several decoder layers over time, memory shared",
        unit="s",
        evaluate=f"{_HEADS}.decoder:evaluate",
        placement_to_json=f"{_HEADS}.decoder:to_json",
        placement_from_json=f"{_HEADS}.decoder:from_json",
        diagnose=f"{_HEADS}.decoder:diagnose",
        formulations={
            "counts": _formulation(
                _HEADS,
                "decoder_milp:decoder_milp",
                "the counts model once per layer, memory as heads beside so many projections and networks",
                tighten="milp_values",
            ),
        },
    ),
}


def problem_of(instance: Instance) -> Problem:
    """Return the descriptor of an instance's problem."""
    return problem_named(instance.problem)


def problem_named(name: str) -> Problem:
    """Return the descriptor of a problem, or say which ones there are."""
    try:
        return PROBLEMS[name]
    except KeyError:
        raise PlacewiseError(f"unknown problem {name!r}; expected one of {', '.join(PROBLEMS)}") from None

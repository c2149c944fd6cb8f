"""Every problem by name: its statement, its placements and its declarative models, as lazy references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.models.problem import Formulation, Problem

if TYPE_CHECKING:
    from placewise.models.problem import Evaluation, Instance


_EDGESHARD = "placewise.models.edgeshard"
_DILEMMA = "placewise.models.dilemma"
_HEADS = "placewise.models.head_migration"


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


def _problem(
    name: str,
    title: str,
    room: str,
    formulations: dict[str, Formulation],
    *,
    evaluate: str = "placement:evaluate",
    diagnose: str = "diagnosis:diagnose",
    resources: str = "resources:resources",
    scaled: str = "resources:scaled",
) -> Problem:
    """Return a problem whose functions have their usual names, in its folder's modules."""
    placement = evaluate.partition(":")[0]
    return Problem(
        name=name,
        title=title,
        unit="s",
        evaluate=f"{room}.{evaluate}",
        placement_to_json=f"{room}.{placement}:to_json",
        placement_from_json=f"{room}.{placement}:from_json",
        diagnose=f"{room}.{diagnose}",
        resources=f"{room}.{resources}",
        scaled=f"{room}.{scaled}",
        formulations=formulations,
    )


PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        _problem(
            "edgeshard-latency",
            "EdgeShard: the least latency per token",
            _EDGESHARD,
            {
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
            evaluate="placement:evaluate_latency",
        ),
        _problem(
            "edgeshard-throughput",
            "EdgeShard: the shortest bottleneck of a pipeline",
            _EDGESHARD,
            {
                "flow": _formulation(
                    _EDGESHARD,
                    "milp:throughput_milp",
                    "layered flow, each device entered once, no big-M; any layers",
                ),
            },
            evaluate="placement:evaluate_throughput",
        ),
        _problem(
            "edgeshard-batch",
            "EdgeShard: batch size and pipeline together, for the most tokens per second",
            _EDGESHARD,
            {
                "flow": _formulation(
                    _EDGESHARD,
                    "batch_milp:batch_milp",
                    "the pipeline's flow once per batch size, of which one is chosen",
                ),
            },
            evaluate="batches:evaluate",
            diagnose="batches:diagnose",
        ),
        _problem(
            "dilemma",
            "DILEMMA: placement and bit-width of each layer, for the least delay",
            _DILEMMA,
            {
                "flow": _formulation(
                    _DILEMMA, "milp:delay_milp", "layered flow over servers and widths; both modes"
                ),
            },
        ),
        _problem(
            "head-migration",
            "attention heads, projection and network over time, for the least delay with migration",
            _HEADS,
            {
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
        _problem(
            "head-migration-decoder",
            "heads, projections and networks of several decoder layers over time, memory shared",
            _HEADS,
            {
                "counts": _formulation(
                    _HEADS,
                    "decoder_milp:decoder_milp",
                    "the counts model once per layer, memory as heads beside so many projections and networks",
                    tighten="milp_values",
                ),
            },
            evaluate="decoder:evaluate",
            diagnose="decoder:diagnose",
            resources="resources:decoder_resources",
            scaled="resources:scaled_decoder",
        ),
    )
}


def problem_of(instance: Instance) -> Problem:
    """Return the descriptor of an instance's problem."""
    return problem_named(instance.problem)


def evaluate(instance: Instance, placement: Any) -> Evaluation:
    """Return what a placement costs and which constraints it breaks, by the problem's specification.

    Parameters
    ----------
    instance : Instance
        Of any problem.
    placement : object
        In the problem's own form, as a result has it; for EdgeShard a device index per layer.

    Returns
    -------
    Evaluation
        Objective in the problem's unit, its terms, and all violations.
    """
    return problem_of(instance).evaluation(instance, placement)


def problem_named(name: str) -> Problem:
    """Return the descriptor of a problem, or say which ones there are."""
    try:
        return PROBLEMS[name]
    except KeyError:
        raise PlacewiseError(f"unknown problem {name!r}; expected one of {', '.join(PROBLEMS)}") from None

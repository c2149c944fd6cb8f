"""Every problem by name: those of the package, and those that other packages bring."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from placewise.models.dilemma.problems import DILEMMA
from placewise.models.edgeshard.problems import BATCH, LATENCY, THROUGHPUT
from placewise.models.errors import PlacewiseError
from placewise.models.graph.problems import GRAPH, GRAPH_LATENCY
from placewise.models.head_migration.problems import DECODER, HEAD_MIGRATION
from placewise.models.nearest import meant
from placewise.models.plugins import offered
from placewise.models.problem import Problem
from placewise.models.replicated.problems import REPLICATED

if TYPE_CHECKING:
    from placewise.models.problem import Evaluation, InstanceT

#: Group of the entry points, ``NAME = module:PROBLEM``, by which packages bring problems of their own.
ENTRY_POINTS = "placewise.problems"

#: The problems of the package.
PROBLEMS: dict[str, Problem[Any, Any]] = {
    problem.name: problem
    for problem in (
        LATENCY,
        THROUGHPUT,
        BATCH,
        DILEMMA,
        HEAD_MIGRATION,
        DECODER,
        REPLICATED,
        GRAPH,
        GRAPH_LATENCY,
    )
}


@cache
def problems() -> dict[str, Problem[Any, Any]]:
    """Return all problems by name, those of other packages last.

    Raises
    ------
    PlacewiseError
        Where a package brings a problem under a name that is taken, or something that is none.
    """
    found = dict(PROBLEMS)
    for point, problem in offered(ENTRY_POINTS):
        if not isinstance(problem, Problem):
            raise PlacewiseError(f"{point}: expected a Problem, found {type(problem).__name__}")
        if problem.name in found:
            raise PlacewiseError(f"{point}: the name {problem.name!r} is taken")
        found[problem.name] = problem
    return found


def problem_of(instance: InstanceT) -> Problem[InstanceT, Any]:
    """Return the problem that an instance is of."""
    return problem_named(instance.problem)


def problem_named(name: str) -> Problem[Any, Any]:
    """Return a problem by name, or say which ones there are."""
    known = PROBLEMS.get(name) or problems().get(name)
    if known is None:
        raise PlacewiseError(
            f"unknown problem {name!r}{meant(name, problems())}; expected one of {', '.join(problems())}"
        )
    return known


def evaluate(instance: InstanceT, placement: object) -> Evaluation:
    """Return what a placement costs and which constraints it breaks, by the problem's specification.

    Parameters
    ----------
    instance : Instance
        Of any problem.
    placement : object
        In any form that the problem's gate takes: by index, by name, or as result files state it.

    Returns
    -------
    Evaluation
        Objective in the problem's unit, its terms, and all violations.
    """
    return problem_of(instance).evaluate(instance, placement)

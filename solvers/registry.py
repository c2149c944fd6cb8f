"""Every method by name: the back-ends stand here, the algorithms beside their code."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from placewise.models.errors import NotApplicableError, PlacewiseError
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_named
from placewise.solvers.algorithms import ALGORITHMS, DEFAULTS
from placewise.solvers.execution.method import Backend, Method

#: Group of the entry points by which packages offer heuristics of their own.
ENTRY_POINTS = "placewise.methods"
_BACKENDS = "placewise.solvers.backends"

BACKENDS: dict[str, Backend] = {
    "highs": Backend(
        f"{_BACKENDS}.highs:minimise",
        "highspy",
        "pip install 'highspy>=1.11,<1.14'",
        ("highspy", "pyomo"),
        "HiGHS",
    ),
    "scip": Backend(
        f"{_BACKENDS}.scip:minimise",
        "ortools",
        "pip install ortools",
        ("ortools", "pyomo"),
        "SCIP in OR-Tools",
    ),
    "cp-sat": Backend(
        f"{_BACKENDS}.cpsat:minimise",
        "ortools",
        "pip install ortools",
        ("ortools", "pyomo"),
        "CP-SAT of OR-Tools",
    ),
    "cbc": Backend(
        f"{_BACKENDS}.cbc:minimise", "pulp", "pip install 'pulp<4'", ("pulp", "pyomo"), "CBC in PuLP"
    ),
    "scipy": Backend(
        f"{_BACKENDS}.scipy_milp:minimise",
        "scipy",
        "pip install scipy",
        ("scipy", "pyomo"),
        "the HiGHS in SciPy",
    ),
    "gurobi": Backend(
        f"{_BACKENDS}.gurobi:minimise",
        "gurobipy",
        "pip install 'placewise[gurobi]', and a licence for large models",
        ("gurobipy", "pyomo"),
        "Gurobi",
    ),
}


@cache
def user_methods(problem: str) -> dict[str, Method]:
    """Return what other packages offer: entry points ``PROBLEM.METHOD = module:function`` of `ENTRY_POINTS`."""
    prefix = f"{problem}."
    return {
        point.name.removeprefix(prefix): Method(
            point.name.removeprefix(prefix),
            problem,
            f"{point.value} of an installed package",
            function=point.value,
        )
        for point in entry_points(group=ENTRY_POINTS)
        if point.name.startswith(prefix)
    }


def methods_of(problem: str) -> dict[str, Method]:
    """Return all methods of a problem: other packages', its algorithms, then back-ends on each formulation.

    A back-end alone means the problem's first formulation; ``highs/textbook`` names another.
    """
    methods = {
        name: Method(name, problem, algorithm.summary, algorithm=algorithm)
        for name, algorithm in ALGORITHMS.get(problem, {}).items()
    }
    for position, (formulation, statement) in enumerate(problem_named(problem).formulations.items()):
        for name, backend in BACKENDS.items():
            method = name if position == 0 else f"{name}/{formulation}"
            summary = f"{backend.summary} on the {formulation} MILP: {statement.summary}"
            methods[method] = Method(method, problem, summary, backend=backend, formulation=formulation)
    return user_methods(problem) | methods


def find_method(problem: str, name: str) -> Method:
    """Return a method by name, or say which ones there are.

    A name of the form ``module:function`` is a user's own heuristic, ``(instance, parameters) -> placement``.
    """
    if ":" in name:
        return Method(name, problem, "a function of the user's", function=name)
    methods = methods_of(problem)
    if name not in methods:
        raise PlacewiseError(f"unknown method {name!r} for {problem}; expected one of {', '.join(methods)}")
    return methods[name]


def default_method(instance: Any) -> Method:
    """Return the first of a problem's default methods that is exact for the instance."""
    candidates = [find_method(instance.problem, name) for name in DEFAULTS[instance.problem]]
    for method in candidates:
        try:
            if method.guarantee(instance) is Guarantee.EXACT:
                return method
        except NotApplicableError:
            continue
    return candidates[-1]


def comparison_methods(problem: str) -> list[Method]:
    """Return what `compare` runs by default: all algorithms, every back-end once, and the other statements by HiGHS."""
    return [
        method for name, method in methods_of(problem).items() if "/" not in name or name.startswith("highs/")
    ]

"""Every method by name: a problem's algorithms, and the back-ends on its formulations."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from placewise.models.errors import NotApplicableError, PlacewiseError
from placewise.models.nearest import meant
from placewise.models.plugins import loaded, place_of
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_named, problem_of
from placewise.solvers.algorithms import algorithms_of
from placewise.solvers.backends.table import BACKENDS, backends
from placewise.solvers.execution.method import Algorithm, Backend, Method

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.models.problem import InstanceT

#: Group of the entry points, ``PROBLEM.METHOD = module:name``, by which packages bring functions or an `Algorithm`.
ENTRY_POINTS = "placewise.methods"


@cache
def user_methods(problem: str) -> dict[str, Method[Any, Any]]:
    """Return what other packages bring: ``(instance, parameters) -> placement``, or an `Algorithm`.

    Raises
    ------
    PlacewiseError
        Where two packages bring methods of one name.
    """
    found: dict[str, Method[Any, Any]] = {}
    described = problem_named(problem)
    for point in entry_points(group=ENTRY_POINTS):
        owner, _, name = point.name.rpartition(".")
        if owner != problem:
            continue
        if name in found:
            raise PlacewiseError(f"{place_of(point)}: the name {name!r} is taken")
        summary = f"{point.value} of an installed package"
        offer = loaded(point)
        if isinstance(offer, Algorithm):
            found[name] = Method(name, described, offer.summary, algorithm=offer)
        else:
            found[name] = Method(name, described, summary, function=point.value)
    return found


def methods_of(problem: str) -> dict[str, Method[Any, Any]]:
    """Return all methods of a problem: other packages', its algorithms, then back-ends on each formulation.

    A back-end alone means the problem's first formulation; ``highs/textbook`` names another.
    """
    methods = _methods(problem, backends())
    own = user_methods(problem)
    for name in own.keys() & methods.keys():
        raise PlacewiseError(f"entry point {problem}.{name} of {ENTRY_POINTS}: the name {name!r} is taken")
    return own | methods


def _methods(problem: str, solvers: dict[str, Backend]) -> dict[str, Method[Any, Any]]:
    """Return a problem's algorithms, and some back-ends on each of its formulations."""
    described = problem_named(problem)
    methods: dict[str, Method[Any, Any]] = {
        algorithm.name: Method(algorithm.name, described, algorithm.summary, algorithm=algorithm)
        for algorithm in algorithms_of(problem)
    }
    for position, (formulation, stated) in enumerate(described.formulations.items()):
        for name, backend in solvers.items():
            method = name if position == 0 else f"{name}/{formulation}"
            summary = f"{backend.summary} on the {formulation} MILP: {stated.summary}"
            methods[method] = Method(method, described, summary, backend=backend, formulation=formulation)
    return methods


def sent_method(problem: str, name: str | Callable[..., Any]) -> Method[Any, Any]:
    """Return a method that another process has found.

    One of the package is returned without a look at what other packages bring, which takes longer than many a solve.

    Parameters
    ----------
    problem : str
        The problem's name.
    name : str or callable
        As in `find_method`.
    """
    known = _methods(problem, BACKENDS) if isinstance(name, str) and ":" not in name else {}
    return known[name] if name in known else find_method(problem, name)


def find_method(problem: str, name: str | Callable[..., Any]) -> Method[Any, Any]:
    """Return a method by name, or say which ones there are.

    Parameters
    ----------
    problem : str
        The problem's name.
    name : str or callable
        One of `methods_of`, or a user's ``(instance, parameters) -> placement``: the function itself, or
        ``module:function``.

    Raises
    ------
    PlacewiseError
        On an unknown name.
    """
    if not isinstance(name, str):
        shown = getattr(name, "__qualname__", type(name).__name__)
        return Method(shown, problem_named(problem), "a function of the user's", function=name)
    if ":" in name:
        return Method(name, problem_named(problem), "a function of the user's", function=name)
    methods = methods_of(problem)
    if name not in methods:
        raise PlacewiseError(
            f"unknown method {name!r} for {problem}{meant(name, methods)}; expected one of {', '.join(methods)}"
        )
    return methods[name]


def default_method(instance: InstanceT) -> Method[InstanceT, Any]:
    """Return the first of a problem's default methods that is exact for the instance."""
    candidates = [find_method(instance.problem, name) for name in problem_of(instance).default_methods]
    for method in candidates:
        try:
            if method.guarantee(instance) is Guarantee.EXACT:
                return method
        except NotApplicableError:
            continue
    return candidates[-1]


def comparison_methods(problem: str) -> list[Method[Any, Any]]:
    """Return what `compare` runs by default: all algorithms, every back-end once, and the other statements by HiGHS."""
    return [
        method for name, method in methods_of(problem).items() if "/" not in name or name.startswith("highs/")
    ]

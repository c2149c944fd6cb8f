"""A second method, for what no certificate covers: independent of the first, and of its solver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.errors import NotApplicableError, PlacewiseError
from placewise.models.problem import Guarantee
from placewise.solvers.evidence.result import Status
from placewise.solvers.evidence.verify import differs
from placewise.solvers.registry import comparison_methods, find_method
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import VerifiedResult
    from placewise.solvers.execution.method import Method


def confirmed(
    result: VerifiedResult, method: str | None = None, **settings: Any
) -> tuple[VerifiedResult, bool]:
    """Let a second method solve an instance, and say whether it comes to the same.

    Parameters
    ----------
    result : VerifiedResult
        Proven by some method.
    method : str, optional
        Its name; by default the first exact one whose solvers are others than the first method's.
    **settings
        As `placewise.solve` takes them; the first result is no warm start.

    Returns
    -------
    (VerifiedResult, bool)
        The second result, and whether it proves the same.

    Raises
    ------
    PlacewiseError
        Where there is no other exact method, or the named one is the first.
    """
    instance = result.instance
    if method == result.method:
        raise PlacewiseError(f"--confirm: expected another method than {method!r}")
    second = solve(instance, other_method(instance, result.method) if method is None else method, **settings)
    if result.status is Status.INFEASIBLE or second.status is Status.INFEASIBLE:
        return second, second.status is result.status
    known = result.objective, second.objective
    if second.status is not Status.OPTIMAL or known[0] is None or known[1] is None:
        return second, False
    return second, not differs(known[0], known[1])


def other_method(instance: Instance, first: str) -> Method[Any, Any]:
    """Return the first exact method of other solvers than a method's, its back-end's statement included.

    Parameters
    ----------
    instance : Instance
        What it must be exact for.
    first : str
        Name of the method that is to be confirmed.

    Raises
    ------
    PlacewiseError
        Where there is none.
    """
    problem = instance.problem
    own = set(find_method(problem, first).distributions) if ":" not in first else set()
    for method in comparison_methods(problem):
        if method.name == first or method.missing or (own - {"numpy"}) & set(method.distributions):
            continue
        try:
            if method.guarantee(instance) is Guarantee.EXACT:
                return method
        except NotApplicableError:
            continue
    raise PlacewiseError(f"--confirm: there is no second exact method for {instance.name}; name one")

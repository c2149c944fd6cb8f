"""From a claim to a verified result: evaluate the placement, derive the status, note what was refuted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from placewise.models.gate import real, shown
from placewise.models.problem import Evaluation, Guarantee, Instance
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Conflict, Progress, Reason, Status, VerifiedResult

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Relative difference up to which two numbers of floating-point solvers count as the same.
CLAIM_TOLERANCE = 1e-6


def differs(a: float, b: float) -> bool:
    """Whether two objectives differ by more than solvers' tolerances explain; NaN differs from everything.

    Parameters
    ----------
    a, b : float
        In one unit.
    """
    if a == b:
        return False
    if not (math.isfinite(a) and math.isfinite(b)):
        return True
    return abs(a - b) > CLAIM_TOLERANCE * max(abs(a), abs(b))


def relative_gap(objective: float, dual_bound: float) -> float:
    """Return ``(objective - dual bound) / |objective|`` of a minimisation, at least 0.

    What is not finite proves nothing: the gap is then infinite.

    Parameters
    ----------
    objective, dual_bound : float
        In one unit.
    """
    if not (math.isfinite(objective) and math.isfinite(dual_bound)):
        return math.inf
    if objective <= dual_bound:
        return 0.0
    return (objective - dual_bound) / abs(objective) if objective else math.inf


def cheapest(instance: Instance, placements: Iterable[Any]) -> float | None:
    """Return what the best feasible one of some placements costs, None without one.

    Parameters
    ----------
    instance : Instance
        Of any problem.
    placements : iterable
        Anything that the gate takes.
    """
    evaluations = (problem_of(instance).evaluate(instance, placement) for placement in placements)
    return min((e.objective for e in evaluations if e.feasible and e.objective is not None), default=None)


def verify(
    instance: Instance,
    method: str,
    guarantee: Guarantee,
    claim: Claim,
    *,
    tolerance: float,
    known: Iterable[Any] = (),
    trace: tuple[Progress, ...] = (),
    versions: dict[str, str] | None = None,
) -> VerifiedResult:
    """Verify a claim.

    Nothing in it needs to be what it should: a placement goes through the problem's gate and is kept in its
    canonical form, numbers that are none count for nothing, and whatever is no claim at all is an error.

    Parameters
    ----------
    instance, method, guarantee, claim
        What was solved, by whom, what that can prove, and what it says.
    tolerance : float
        Relative gap at which a feasible placement is called optimal.
    known : iterable of placements
        Feasible as far as anyone knows: they refute a false "infeasible", and bounds above what they cost.
    trace, versions
        Kept in the result.
    """
    common: dict[str, Any] = {
        "instance": instance,
        "method": method,
        "guarantee": guarantee,
        "trace": tuple(_plain(step) for step in trace if type(step) is Progress),
        "versions": versions or {},
    }
    reason = getattr(claim, "reason", None) if type(claim) is Claim else None
    if type(reason) is not Reason:
        expected, found = ("Claim", claim) if type(claim) is not Claim else ("Reason", reason)
        text = f"{method}: expected a {expected}, found {shown(found)}"
        return VerifiedResult(status=Status.ERROR, message=text, **common)
    message = claim.message if type(claim.message) is str else shown(claim.message)
    common |= {"message": message, "build_s": _seconds(claim.build_s), "solve_s": _seconds(claim.solve_s)}
    bound, conflicts = _bound(method, guarantee, claim)
    if claim.placement is None:
        return _without_placement(claim, bound, conflicts, known, common)

    problem = problem_of(instance)
    placement, refusals = problem.gate(instance, claim.placement)
    evaluation = Evaluation(None, {}, refusals) if refusals else problem.evaluate(instance, placement)
    common |= {"placement": placement, "terms": evaluation.terms, "violations": evaluation.violations}
    if not evaluation.feasible or evaluation.objective is None:
        if guarantee in (Guarantee.UNSAFE, Guarantee.RELAXATION):
            return _without_solution(bound, conflicts, known, common)
        broken = evaluation.violations[0].message if evaluation.violations else "its placement has no cost"
        conflict = Conflict("infeasible-solution", (method,), broken)
        return VerifiedResult(status=Status.ERROR, conflicts=(conflict, *conflicts), **common)

    objective = evaluation.objective
    claimed = None if claim.objective is None else real(claim.objective)
    if claim.objective is not None and (claimed is None or differs(claimed, objective)):
        text = f"{method} claims {shown(claim.objective)}, its placement costs {objective!r}"
        conflicts.insert(0, Conflict("objective-mismatch", (method,), text))
    if reason is Reason.INFEASIBLE:  # who contradicts itself proves nothing
        text = f"{method} claims that there is no placement and returns one that costs {objective!r}"
        conflicts.append(Conflict("false-infeasible", (method,), text))
        bound = None
    best = None if bound is None else cheapest(instance, known)
    bound, crossed = _uncrossed(method, bound, objective, best)
    gap = None if bound is None else relative_gap(objective, bound)
    status = Status.OPTIMAL if gap is not None and gap <= tolerance else Status.FEASIBLE
    return VerifiedResult(
        status=status,
        objective=objective,
        dual_bound=bound,
        relative_gap=gap,
        conflicts=(*conflicts, *crossed),
        **common,
    )


def _without_placement(
    claim: Claim,
    bound: float | None,
    conflicts: list[Conflict],
    known: Iterable[Any],
    common: dict[str, Any],
) -> VerifiedResult:
    """Return an error, a limit, or an infeasibility that no known placement refutes."""
    method, guarantee = common["method"], common["guarantee"]
    if claim.reason is Reason.ERROR:
        return VerifiedResult(status=Status.ERROR, conflicts=tuple(conflicts), **common)
    if claim.reason is not Reason.INFEASIBLE or not guarantee.bounds:
        return _without_solution(bound, conflicts, known, common)
    best = cheapest(common["instance"], known)
    if best is not None:
        text = f"{method} claims that there is no placement; one with {best!r} is known"
        conflict = Conflict("false-infeasible", (method,), text)
        return VerifiedResult(status=Status.ERROR, conflicts=(conflict, *conflicts), **common)
    return VerifiedResult(status=Status.INFEASIBLE, conflicts=tuple(conflicts), **common)


def _without_solution(
    bound: float | None, conflicts: list[Conflict], known: Iterable[Any], common: dict[str, Any]
) -> VerifiedResult:
    """Return that nothing feasible was found, with the bound that no known placement refutes."""
    best = None if bound is None else cheapest(common["instance"], known)
    bound, crossed = _uncrossed(common["method"], bound, None, best)
    return VerifiedResult(
        status=Status.NO_SOLUTION, dual_bound=bound, conflicts=(*conflicts, *crossed), **common
    )


def _bound(method: str, guarantee: Guarantee, claim: Claim) -> tuple[float | None, list[Conflict]]:
    """Return the bound that counts, which may be infinite, and a conflict where it is no number."""
    if claim.dual_bound is None or not guarantee.bounds:
        return None, []
    bound = real(claim.dual_bound)
    if bound is None or math.isnan(bound):
        text = f"{method} states a bound of {shown(claim.dual_bound)}, expected a finite number"
        return None, [Conflict("invalid-bound", (method,), text)]
    return (None if bound == -math.inf else bound), []


def _uncrossed(
    method: str, bound: float | None, objective: float | None, known: float | None
) -> tuple[float | None, list[Conflict]]:
    """Return a bound that no placement refutes: neither the method's own, which costs `objective`, nor a known one.

    Above the own placement by no more than rounding, it is what that placement costs. An infinite one says that
    there is no placement; a claim of a number proves no such thing.
    """
    if bound is None:
        return None, []
    for cost, whose in ((objective, "its placement costs"), (known, "a known placement costs")):
        if cost is not None and bound > cost and differs(bound, cost):
            text = f"{method} claims that nothing is below {bound!r}, {whose} {cost!r}"
            return None, [Conflict("bound-crossed", (method,), text)]
    if math.isinf(bound):
        return None, []
    return (bound if objective is None else min(bound, objective)), []


def _seconds(value: Any) -> float:
    """Return a time, 0 where it is none."""
    number = real(value)
    return number if number is not None and math.isfinite(number) and number >= 0 else 0.0


def _plain(step: Progress) -> Progress:
    """Return a step with plain finite numbers, and without what it may have placed."""
    numbers = [real(value) for value in (step.objective, step.dual_bound)]
    finite = [number if number is not None and math.isfinite(number) else None for number in numbers]
    return Progress(_seconds(step.seconds), *finite)

"""From a claim to a verified result: evaluate the placement, derive the status, note what was refuted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.problem import Guarantee, Instance
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Claim, Conflict, Progress, Reason, Status, VerifiedResult

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Relative difference up to which two numbers of floating-point solvers count as the same.
CLAIM_TOLERANCE = 1e-6


def differs(a: float, b: float) -> bool:
    """Whether two objectives differ by more than solvers' tolerances explain."""
    return abs(a - b) > CLAIM_TOLERANCE * max(abs(a), abs(b))


def relative_gap(objective: float, dual_bound: float) -> float:
    """Return ``(objective - dual bound) / |objective|`` of a minimisation, at least 0."""
    if objective <= dual_bound:
        return 0.0
    return (objective - dual_bound) / abs(objective) if objective else float("inf")


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

    Parameters
    ----------
    instance, method, guarantee, claim
        What was solved, by whom, what that can prove, and what it says.
    tolerance : float
        Relative gap at which a feasible placement is called optimal.
    known : iterable of placements
        Feasible as far as anyone knows: they refute a false "infeasible".
    trace, versions
        Kept in the result.
    """
    common: dict[str, Any] = {
        "instance": instance,
        "method": method,
        "guarantee": guarantee,
        "message": claim.message,
        "build_s": claim.build_s,
        "solve_s": claim.solve_s,
        "trace": trace,
        "versions": versions or {},
    }
    if claim.placement is None:
        return _without_placement(instance, method, guarantee, claim, known, common)

    evaluation = problem_of(instance).evaluation(instance, claim.placement)
    common |= {"placement": claim.placement, "terms": evaluation.terms, "violations": evaluation.violations}
    bound = claim.dual_bound if guarantee.bounds else None
    if not evaluation.feasible or evaluation.objective is None:
        broken = evaluation.violations[0].message
        if guarantee in (Guarantee.UNSAFE, Guarantee.RELAXATION):
            return VerifiedResult(status=Status.NO_SOLUTION, dual_bound=bound, **common)
        return VerifiedResult(
            status=Status.ERROR, conflicts=(Conflict("infeasible-solution", (method,), broken),), **common
        )

    objective = evaluation.objective
    conflicts = []
    if claim.objective is not None and differs(claim.objective, objective):
        text = f"{method} claims {claim.objective!r}, its placement costs {objective!r}"
        conflicts.append(Conflict("objective-mismatch", (method,), text))
    if bound is not None and bound > objective:
        if differs(bound, objective):
            text = f"{method} claims that nothing is below {bound!r}, its placement costs {objective!r}"
            conflicts.append(Conflict("bound-crossed", (method,), text))
            bound = None
        else:
            bound = objective
    gap = None if bound is None else relative_gap(objective, bound)
    status = Status.OPTIMAL if gap is not None and gap <= tolerance else Status.FEASIBLE
    return VerifiedResult(
        status=status,
        objective=objective,
        dual_bound=bound,
        relative_gap=gap,
        conflicts=tuple(conflicts),
        **common,
    )


def _without_placement(
    instance: Instance,
    method: str,
    guarantee: Guarantee,
    claim: Claim,
    known: Iterable[Any],
    common: dict[str, Any],
) -> VerifiedResult:
    if claim.reason is Reason.ERROR:
        return VerifiedResult(status=Status.ERROR, **common)
    bound = claim.dual_bound if guarantee.bounds else None
    if claim.reason is not Reason.INFEASIBLE or not guarantee.bounds:
        return VerifiedResult(status=Status.NO_SOLUTION, dual_bound=bound, **common)
    for placement in known:
        evaluation = problem_of(instance).evaluation(instance, placement)
        if evaluation.feasible:
            text = f"{method} claims that there is no placement; one with {evaluation.objective!r} is known"
            conflict = Conflict("false-infeasible", (method,), text)
            return VerifiedResult(status=Status.ERROR, conflicts=(conflict,), **common)
    return VerifiedResult(status=Status.INFEASIBLE, **common)

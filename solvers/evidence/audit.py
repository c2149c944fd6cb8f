"""A result that somebody wrote down, recomputed: all that follows from the placement, and what does not."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from placewise.instances.identity import instance_hash
from placewise.instances.strict_json import short
from placewise.models.problem import Evaluation, Guarantee
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Status
from placewise.solvers.evidence.verify import CLAIM_TOLERANCE, cheapest, differs, relative_gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from placewise.instances.formats.result import ResultSpec
    from placewise.models.problem import Instance

_PLACED = (Status.OPTIMAL.value, Status.FEASIBLE.value)
#: Violations of a file that are quoted.
MOST_QUOTED = 5


#: Kinds of evidence, the strongest first.
CERTIFIED, TWICE, ONCE = "certified", "claimed twice", "claimed once"


@dataclass(frozen=True)
class Certified:
    """What a verifier made of a certificate.

    Parameters
    ----------
    cost, bound : Fraction or None
        Exact cost of the placement, None without one; what nothing costs less than, None: nothing is feasible.
    refusal : str or None
        Why it is worth nothing.
    """

    cost: Fraction | None = None
    bound: Fraction | None = None
    refusal: str | None = None


@dataclass(frozen=True)
class Audit:
    """What is left of a result after everything in it was recomputed.

    Parameters
    ----------
    evaluation : Evaluation or None
        Of the placement; None where the result has none.
    faults : tuple of str
        What it states and is not so, and what its placement breaks; a line each.
    unproven : tuple of str
        What it states and its placement cannot show, a line each.
    proof : str or None
        Why the instance has no placement, where the result says that and it is easily shown or certified.
    evidence : str or None
        Of what the result proves: ``certified``, ``claimed twice`` (by two methods) or ``claimed once``; None where it
        claims no bound, nor that there is no placement.
    """

    evaluation: Evaluation | None
    faults: tuple[str, ...]
    unproven: tuple[str, ...] = ()
    proof: str | None = None
    evidence: str | None = None

    @property
    def verdict(self) -> str:
        """``holds``, ``fails``, or ``cannot be checked`` where there is nothing that could be evaluated."""
        if self.faults:
            return "fails"
        return "holds" if self.evaluation is not None or self.proof else "cannot be checked"


def audit(
    instance: Instance,
    result: ResultSpec,
    placement: Any,
    *,
    tolerance: float = CLAIM_TOLERANCE,
    known: Iterable[Any] = (),
    certified: Certified | None = None,
) -> Audit:
    """Recompute what a result states.

    Objective, terms, violations, relative gap, unit and status are recomputed, the instance's hash compared. The
    dual bound, and that there is no placement, follow from no placement: they are refuted by a known one, or unproven.

    Parameters
    ----------
    instance : Instance
        What it should be a result of.
    result : ResultSpec
        Its checked document.
    placement : object or None
        Its placement, in any form that the problem's gate takes.
    tolerance : float
        Relative gap up to which "optimal" is right; the default is that of `solve`.
    known : iterable of placements
        From elsewhere, e.g. of heuristics; drawn from only where something stated may be refuted.
    certified : Certified, optional
        Of the certificate beside the result.
    """
    evaluation = None if placement is None else problem_of(instance).evaluate(instance, placement)
    faults = [*_identity(instance, result)]
    if evaluation is not None:
        faults += [violation.message for violation in evaluation.violations]
        faults += _numbers(result, evaluation)
    faults += _status(result, evaluation, tolerance)
    who = result.method or "the file"
    shown = _shown(result, evaluation, certified, tolerance)
    refused = None if certified is None else certified.refusal
    faults += [] if refused is None else [f"the certificate is refused: {refused}"]
    unproven, proof, best = [], None, None
    empty = result.status == Status.INFEASIBLE.value
    if result.dual_bound is not None or (empty and evaluation is None):
        best = cheapest(instance, known)
    if result.dual_bound is not None:
        if best is not None and best < result.dual_bound and differs(best, result.dual_bound):
            faults.append(
                f"the file claims that nothing is below {result.dual_bound!r}, a known placement costs {best!r}"
            )
        elif not shown:
            unproven.append(f"the bound {result.dual_bound!r} is stated by {who}, not certified")
    if empty and evaluation is None:
        proof = problem_of(instance).diagnose(instance)
        if best is not None:
            faults.append(f"the file claims that there is no placement, a known one costs {best!r}")
        elif shown:
            proof = "certified"
        elif proof is None:
            unproven.append(
                f"that there is no placement is stated by {who}; it cannot be checked from the file"
            )
    elif evaluation is None:
        unproven.append("there is no placement in the file that could be evaluated")
    if result.conflicts:
        unproven.append(f"the file reports conflicts: {short('; '.join(result.conflicts))}")
    return Audit(evaluation, tuple(faults), tuple(unproven), proof, _evidence(result, certified=shown))


def _evidence(result: ResultSpec, *, certified: bool) -> str | None:
    """Return how well the bound of a result is known, or that there is no placement; None where it claims neither."""
    if result.dual_bound is None and result.status != Status.INFEASIBLE.value:
        return None
    if certified:
        return CERTIFIED
    other = result.confirmed_by
    return ONCE if other is None or other.method == result.method else TWICE


def _shown(
    result: ResultSpec, evaluation: Evaluation | None, certified: Certified | None, tolerance: float
) -> bool:
    """Whether a certificate proves what the result claims: its status, and its bound up to rounding."""
    if certified is None or certified.refusal is not None:
        return False
    if certified.bound is None:
        return result.status == Status.INFEASIBLE.value and evaluation is None
    bound, stated = float(certified.bound), result.dual_bound
    if stated is None or (bound < stated and differs(bound, stated)):
        return False
    objective = None if evaluation is None else evaluation.objective
    if result.status != Status.OPTIMAL.value:
        return True
    return objective is not None and relative_gap(objective, bound) <= tolerance


def _identity(instance: Instance, result: ResultSpec) -> Iterator[str]:
    """Yield what belongs to another instance or another problem."""
    own = instance_hash(instance) if result.instance_hash else None
    if result.instance_hash != own:
        yield (
            f"the result is of another instance that is called {instance.name!r} too: "
            f"instance_hash is {result.instance_hash}, expected {own}"
        )
    unit = problem_of(instance).unit
    if result.unit not in (None, unit):
        yield f"unit: the file says {short(result.unit)}, the problem has {unit!r}"
    for key, words in (("status", Status), ("guarantee", Guarantee)):
        stated = getattr(result, key)
        if stated is not None and stated not in [word.value for word in words]:
            yield f"{key}: expected one of {', '.join(word.value for word in words)}, found {short(stated)}"


def _numbers(result: ResultSpec, evaluation: Evaluation) -> Iterator[str]:
    """Yield objective, bound, gap, terms and violations that are not those of the placement."""
    objective, bound = evaluation.objective, result.dual_bound
    if result.objective is not None and (objective is None or differs(result.objective, objective)):
        cost = "has no cost" if objective is None else f"costs {objective!r}"
        yield f"the file claims {result.objective!r}, the placement {cost}"
    if evaluation.feasible and objective is not None and bound is not None:
        if bound > objective and differs(bound, objective):
            yield f"the file claims that nothing is below {bound!r}, the placement costs {objective!r}"
        gap = relative_gap(objective, bound)
        stated = result.relative_gap
        if stated is not None and not abs(stated - gap) <= CLAIM_TOLERANCE * max(1.0, abs(stated)):
            yield f"relative_gap: the file says {stated!r}, objective and bound make it {gap!r}"
    elif result.relative_gap is not None:
        yield f"relative_gap: the file says {result.relative_gap!r} without a feasible placement and a bound"
    if result.terms is not None:
        yield from _terms(result.terms, evaluation.terms)
    if result.violations is not None:
        real = [violation.message for violation in evaluation.violations]
        invented = list((Counter(result.violations) - Counter(real)).elements())
        for message in invented[:MOST_QUOTED]:
            yield f"violations: the placement does not have the one that the file states: {short(message)}"
        if len(result.violations) != len(real):
            yield f"violations: the file states {len(result.violations)}, the placement has {len(real)}"


def _terms(stated: dict[str, float], real: Any) -> Iterator[str]:
    if set(stated) != set(real):
        yield f"terms: expected {', '.join(real) or 'none'}, found {short(', '.join(stated) or 'none')}"
    for name in set(stated) & set(real):
        if differs(stated[name], real[name]):
            yield f"terms.{name}: the file says {stated[name]!r}, the placement has {real[name]!r}"


def _status(result: ResultSpec, evaluation: Evaluation | None, tolerance: float) -> Iterator[str]:
    """Yield a status that does not follow from placement, objective and bound."""
    status = result.status
    feasible = evaluation is not None and evaluation.feasible and evaluation.objective is not None
    if status in _PLACED:
        if not feasible:
            yield f"status: the file says {status!r} without a feasible placement"
        elif result.objective is None:
            yield f"status: the file says {status!r} without an objective"
    elif status in [word.value for word in Status] and feasible:
        assert evaluation is not None
        yield f"status: the file says {status!r}, its placement is feasible and costs {evaluation.objective!r}"
    if status == Status.OPTIMAL.value and feasible:
        assert evaluation is not None
        assert evaluation.objective is not None
        bound = result.dual_bound
        gap = math.inf if bound is None else relative_gap(evaluation.objective, bound)
        if bound is None:
            yield "status: the file says 'optimal' without a bound"
        elif gap > tolerance:
            yield f"status: the file says 'optimal' with a gap of {gap:.3g}, expected at most {tolerance:g}"

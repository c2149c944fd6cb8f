"""The certificate of a result: made from instance and claim alone, whatever method the claim comes from."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from placewise.instances.registry import formats
from placewise.models.errors import PlacewiseError
from placewise.solvers.certificates import chains, heads, tree, widths
from placewise.solvers.certificates.digits import DIGITS, rounded_down, text
from placewise.solvers.evidence.result import Status
from placewise.tools import verify_certificate as verifier

if TYPE_CHECKING:
    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import VerifiedResult


def instance_document(instance: Instance) -> Any:
    """Return an instance as the verifier reads its file: numbers as written."""
    return verifier.parse(json.dumps(formats()[instance.problem].document(instance)))


def certify(instance: Instance, result: VerifiedResult) -> dict[str, Any]:
    """Return a certificate of what a result claims: that nothing costs less than its bound, or that nothing is feasible.

    Parameters
    ----------
    instance : Instance
        Whose file the verifier will read.
    result : VerifiedResult
        With a proven bound, or infeasible; by whatever method.

    Returns
    -------
    dict
        Format ``placewise-certificate/1``, accepted by `placewise.tools.verify_certificate`.

    Raises
    ------
    PlacewiseError
        Where the result claims nothing, or no certificate can be made, saying why.
    """
    document = instance_document(instance)
    kind = verifier.PROBLEMS.get(instance.problem)
    if kind is None:
        raise PlacewiseError(
            f"certificate: {instance.problem} is not certified yet; --confirm lets a second method solve it"
        )
    infeasible = result.status is Status.INFEASIBLE
    if not infeasible and result.dual_bound is None:
        raise PlacewiseError("certificate: the result has no bound that could be certified")
    refusal = verifier.RefusedError("")
    try:
        problem = kind(document)
        placement = result.to_json()["placement"]
        cost = (
            None if infeasible or placement is None else problem.value(verifier.parse(json.dumps(placement)))
        )
        bounds = [None] if infeasible else _bounds(result, cost)
    except verifier.RefusedError as error:
        raise PlacewiseError(f"certificate: {error}; --confirm lets a second method solve it") from None
    for bound in bounds:
        try:
            proven, proofs = _proofs(problem, instance, bound)
        except verifier.RefusedError as error:
            refusal = error
            continue
        return _certificate(instance, proven, proofs)
    raise PlacewiseError(f"certificate: none found: {refusal}")


def _proofs(
    problem: Any, instance: Any, bound: Fraction | None
) -> tuple[Fraction | None, list[dict[str, Any]]]:
    """Return a bound that can be proven, perhaps a weaker one than the stated, and its proofs; trees where no other will do."""
    if isinstance(problem, verifier.Dilemma):
        return widths.proofs_of(problem, instance, bound)
    if hasattr(problem, "cases"):
        return bound, [chains.proof_of(case) for case in problem.cases(bound)]
    found = _by_heads(problem, instance, bound) if instance.problem == "head-migration" else None
    if found is None:
        return tree.proof_of(problem, bound)
    if bound is None or (found[0] or 0) >= bound * (1 - Fraction(1, 10 ** (DIGITS - 1))):
        return found
    try:
        other = tree.proof_of(problem, bound)
    except verifier.RefusedError:
        return found
    return max(found, other, key=lambda proven: proven[0] or 0)


def _by_heads(
    problem: verifier.Heads, instance: Any, bound: Fraction | None
) -> tuple[Fraction | None, list[dict[str, Any]]] | None:
    """Return what can be proven interval by interval or by prices of heads, None where that is nothing."""
    try:
        if bound is None or problem.count == 1:
            return bound, heads.proofs_of(problem, bound)
        try:
            return heads.proof_by_prices(problem, instance)
        except verifier.RefusedError:
            return heads.proofs_over_time(problem)
    except verifier.RefusedError:
        return None


def _certificate(instance: Instance, bound: Fraction | None, proofs: list[dict[str, Any]]) -> dict[str, Any]:
    certificate = {
        "format": verifier.FORMAT,
        "problem": instance.problem,
        "instance": instance.name,
        "bound": None if bound is None else text(bound),
        "proofs": proofs,
    }
    return certificate | {"sha256": verifier.digest(certificate)}


def _bounds(result: VerifiedResult, cost: Fraction | None) -> list[Fraction]:
    """Return bounds to prove, in few digits: the cost of a placement that is called optimal, else the stated one."""
    stated = Fraction(result.dual_bound or 0)
    wanted = []
    if result.status is Status.OPTIMAL and cost is not None:
        wanted = [
            cost,
            cost * (1 - Fraction(2, 10**DIGITS)),
        ]  # sums are rounded down, so the cost itself may be missed
    wanted += [stated if cost is None else min(stated, cost)]
    return [rounded_down(value) for value in dict.fromkeys(wanted)]

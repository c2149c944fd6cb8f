"""The certificate of a result: made from instance and claim alone, whatever method the claim comes from."""

from __future__ import annotations

import json
from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from placewise.instances.registry import formats
from placewise.models.errors import PlacewiseError
from placewise.solvers.certificates.chains import proof_of
from placewise.solvers.evidence.result import Status
from placewise.tools import verify_certificate as verifier

if TYPE_CHECKING:
    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import VerifiedResult

#: Digits of a certified bound; the rest is rounded down.
DIGITS = 12


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
        raise PlacewiseError(f"certificate: {instance.problem} is not certified yet; a second method may confirm")
    infeasible = result.status is Status.INFEASIBLE
    if not infeasible and result.dual_bound is None:
        raise PlacewiseError("certificate: the result has no bound that could be certified")
    try:
        problem = kind(document)
        bound = None
        if not infeasible:
            placement = json.loads(json.dumps(result.to_json()["placement"]))
            cost = None if placement is None else problem.value(placement)
            bound = _rounded(result.dual_bound, cost)
        proofs = [
            proof_of(chain, start, limit, slowest=problem.slowest)
            for chain, start, limit in problem.cases(bound)
        ]
    except verifier.Refused as error:
        raise PlacewiseError(f"certificate: {error}") from None
    certificate = {
        "format": verifier.FORMAT,
        "problem": instance.problem,
        "instance": instance.name,
        "bound": None if bound is None else _text(bound),
        "proofs": proofs,
    }
    return certificate | {"sha256": verifier.digest(certificate)}


def _rounded(stated: float | None, cost: Fraction | None) -> Fraction:
    """Return a bound in few digits: of the placement's exact cost where the result says that it is optimal."""
    value = Fraction(stated or 0)
    if cost is not None and (cost <= value or cost - value <= value * Fraction(1, 10**DIGITS)):
        value = cost
    few = Context(prec=DIGITS, rounding=ROUND_FLOOR)
    return Fraction(few.divide(Decimal(value.numerator), Decimal(value.denominator)))


def _text(bound: Fraction) -> str:
    """Return a bound of few digits as a decimal."""
    return format(Decimal(bound.numerator) / Decimal(bound.denominator), "f")

"""Prices for the certificate of DILEMMA: of each server's storage, and of the sum of errors.

Nothing here is believed: the verifier computes what prices prove, and searches what they leave.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, inf, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.solvers.certificates.chains import BITS
from placewise.solvers.certificates.digits import rounded_down
from placewise.solvers.dilemma.ascent import unit_prices
from placewise.solvers.dilemma.decomposition import LARGEST_UNITS, Decomposition
from placewise.tools.verify_certificate import RefusedError, Widths

if TYPE_CHECKING:
    from placewise.models.dilemma import DilemmaInstance
    from placewise.tools.verify_certificate import Dilemma

#: Subgradient steps; labels that a proof may need, checked in half a minute.
STEPS, MOST_LABELS = 600, 1_000_000


def proofs_of(
    problem: Dilemma, instance: DilemmaInstance, bound: Fraction | None
) -> tuple[Fraction | None, list[dict[str, Any]]]:
    """Return a bound that can be proven, and its proof.

    Parameters
    ----------
    problem : Dilemma
        As the verifier reads it.
    instance : DilemmaInstance
        The same.
    bound : Fraction or None
        Seconds; None: that there is no placement.

    Returns
    -------
    (Fraction or None, list of dict)
        The bound asked for; or, where that leaves too many labels, what prices alone prove. The proof, none if none is needed.

    Raises
    ------
    RefusedError
        Where the bound is wrong, or no weaker one is proven without search.
    """
    if not all(problem.admitted):
        return bound, []
    model = Decomposition(instance)
    if bound is None:
        model.compute_s = np.where(np.isfinite(model.compute_s), 0.0, np.inf)
        model.away_s = np.where(np.isfinite(model.away_s), 0.0, np.inf)
    price_s, error_price_s = unit_prices(model, 1.0 if bound is None else float(bound), lambda: False, STEPS)
    chain = problem.layers()
    unit = Fraction(2) ** ((int(log2(bound)) if bound else 0) - BITS)
    # What a unit of the decomposition's tables is worth in the verifier's: bits; as printed, layers.
    step = 1 if instance.printed else model.grain * model.costs.storage_unit_bits
    measure = gcd(*(choice.size for row in chain.choices for choice in row)) or 1
    proof: dict[str, Any] = {
        "bound": None if bound is None else str(bound),
        "unit": None if bound is None else str(unit),
        "price": [int(Fraction(price) / step / unit) for price in price_s.tolist()],
        "error_price": int(Fraction(error_price_s) * (model.budget or 0) / unit),
        "grain": measure * (max(chain.space) // measure // LARGEST_UNITS + 1),
        "labels": MOST_LABELS,
    }
    search = Widths(chain, bound, proof)
    try:
        return bound, [proof | search.run()]
    except RefusedError as error:
        least, credit = search.root()
        if bound is None or "labels" not in str(error) or least <= credit:
            raise
    assert least < inf
    weaker = rounded_down((int(least) - credit) * unit)
    proof["bound"] = str(weaker)
    return weaker, [proof | Widths(chain, weaker, proof).run()]

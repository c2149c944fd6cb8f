"""Quantisation errors and their budget as whole numbers: the decimals that were written, over one denominator."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from placewise.models.decimals import common_measure, exact, is_written

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.dilemma.data import DilemmaInstance

#: By so much of itself the budget may be exceeded where errors are no written decimals but computed numbers.
BUDGET_TOLERANCE = 1e-9
#: Of the budget in whole units: with 4,096 layers no sum leaves 64 bits, and MILP solvers' floats hold each number.
BUDGET_BITS = 50


def whole_errors(instance: DilemmaInstance) -> tuple[int | None, NDArray[np.int64], Fraction]:
    """Return budget and errors in whole units, and the unit; what exceeds the budget alone is one unit above it.

    Decimals of at most `WRITTEN_DIGITS` digits are exact if they fit `BUDGET_BITS`. Others are rounded down to units of
    which L + 1 are at most `BUDGET_TOLERANCE` of the budget, itself a whole number of them: no sum within the budget
    is refused, and none above 1 + `BUDGET_TOLERANCE` times it is taken.

    Returns
    -------
    int or None
        The budget, None without one.
    ndarray of int64, shape (L, B)
        The errors; all 0 without a budget.
    Fraction
        The unit.
    """
    errors, stated = instance.quantization_error, instance.error_budget
    if stated is None:
        return None, np.zeros(errors.shape, dtype=np.int64), Fraction(1)
    within = errors <= stated  # as floats are ordered, so are their decimals
    read = {value: exact(value) for value in np.unique(errors[within]).tolist()}
    largest = np.where(within, errors, 0.0).max(axis=1).tolist()
    # A budget beyond what all errors sum to needs no digits either.
    budget = min(exact(stated), sum((exact(value) for value in largest), Fraction(0)))
    unit = common_measure([budget, *read.values()])
    written = all(map(is_written, read)) and (budget < exact(stated) or is_written(stated))
    if budget and not (written and budget / unit < 2**BUDGET_BITS):
        unit = budget / math.ceil((len(errors) + 1) / Fraction(BUDGET_TOLERANCE))
    limit = int(budget / unit)
    whole = {value: int(number / unit) for value, number in read.items()}
    table = [
        [whole[value] if fits else limit + 1 for value, fits in zip(row, inside, strict=True)]
        for row, inside in zip(errors.tolist(), within.tolist(), strict=True)
    ]
    return limit, np.array(table, dtype=np.int64), unit

"""What each choice of a model costs at least, also where the cost is a time that its rows bound from below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.solvers.backends.whole_rows import Rows


def least_costs(
    rows: Rows, cost: NDArray[np.float64], lower: NDArray[np.float64], integer: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return a lower bound on the objective of any solution in which a column is 1, for each column.

    A row ``sum(a x) <= t`` with one continuous column t, that stands in the objective, says that whoever takes x pays
    for at least ``a`` of it: so the bottleneck of a pipeline prices each transfer. Where a column or a cost may be
    negative, nothing but the costs themselves is returned.

    Parameters
    ----------
    rows : Rows
        m rows.
    cost, lower, integer : ndarray, shape (n,)
        Objective, bounds and kinds of the columns.

    Returns
    -------
    ndarray, shape (n,)
        In the unit of the objective.
    """
    least = np.where(integer, cost, 0.0)
    if (cost < 0).any() or (lower < 0).any():
        return cost.copy()
    matrix: Any = rows.matrix
    of_row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    above = np.isfinite(rows.row_upper) & ~np.isfinite(rows.row_lower)
    below = np.isfinite(rows.row_lower) & ~np.isfinite(rows.row_upper)
    sign = above.astype(np.float64) - below
    limit = np.where(above, rows.row_upper, np.where(below, -rows.row_lower, np.inf))
    entries, whole = matrix.data * sign[of_row], integer[matrix.indices]

    def count(which: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(of_row[which], minlength=matrix.shape[0])

    times = ~whole & (matrix.data != 0)
    pays = (sign != 0) & (limit <= 0) & (count(times) == 1) & (count(whole & (entries < 0)) == 0)
    price = np.zeros(matrix.shape[0])
    bounding = times & pays[of_row] & (entries < 0)
    price[of_row[bounding]] = cost[matrix.indices[bounding]] / -entries[bounding]
    chosen = whole & pays[of_row]
    np.maximum.at(least, matrix.indices[chosen], entries[chosen] * price[of_row[chosen]])
    return least

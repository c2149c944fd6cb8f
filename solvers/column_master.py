"""A linear master problem whose columns and rows are added as they are found, in HiGHS, which goes on from its last basis.

Rows may be broken at a penalty, so there always is a solution; prices are no higher than the penalty then, which bounds them as
well. What is proven with these prices is proven by who uses them: nothing here has to be exact.

Sources: column generation, Dantzig and Wolfe (1960); bounds on the prices, Marsten, Hogan and Blankenship (1975).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from placewise.solvers.backends.highs import linear_highs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Ints = NDArray[np.intp]


class MasterSolution(NamedTuple):
    """What HiGHS answers.

    Parameters
    ----------
    value : float
        Least cost, penalties included.
    row_dual : ndarray, shape (rows,)
        What one more of a row's limit would cost: negative where an upper limit binds.
    weight, reduced : ndarray, shape (columns,)
        Of all columns in the order of their numbers: value, and reduced cost.
    """

    value: float
    row_dual: Array
    weight: Array
    reduced: Array


class ColumnMaster:
    """Rows and columns by number.

    Parameters
    ----------
    penalty : float
        Cost of a unit that a row is broken by.
    """

    def __init__(self, penalty: float) -> None:
        import highspy

        self.penalty, self.infinity = penalty, highspy.kHighsInf
        self.highs = linear_highs()

    def row(
        self,
        low: float,
        high: float,
        columns: Sequence[int] | Ints = (),
        values: Sequence[float] | Array = (),
    ) -> int:
        """Add a row; return its number.

        Parameters
        ----------
        low, high : float
            Its limits; infinite for none.
        columns, values : sequence
            Columns that are known already, with their entries.
        """
        number: int = self.highs.getNumRow()
        index = np.asarray(columns, dtype=np.int32)
        self.highs.addRow(low, high, len(index), index, np.asarray(values, dtype=np.float64))
        return number

    def breakable(self, row: int, *, below: bool = True, above: bool = True) -> None:
        """Let a row be broken at the penalty.

        Parameters
        ----------
        row : int
            Its number.
        below, above : bool
            On which sides.
        """
        for sign, wanted in ((1.0, below), (-1.0, above)):
            if wanted:
                self.column(self.penalty, np.array([row]), np.array([sign]))

    def column(self, cost: float, rows: Ints, values: Array) -> int:
        """Add a column that is not negative; return its number.

        Parameters
        ----------
        cost : float
            Of one of it.
        rows, values : ndarray
            Its entries.
        """
        number: int = self.highs.getNumCol()
        self.highs.addCol(cost, 0.0, self.infinity, len(rows), rows.astype(np.int32), values)
        return number

    def limit(self, row: int, low: float, high: float) -> None:
        """Change the limits of a row.

        Parameters
        ----------
        row : int
            Its number.
        low, high : float
            Infinite for none.
        """
        self.highs.changeRowBounds(row, low, high)

    def bar(self, column: int, barred: bool) -> None:
        """Bar a column, or let it in again.

        Parameters
        ----------
        column : int
            Its number.
        barred : bool
            Whether it has to be 0.
        """
        self.highs.changeColBounds(column, 0.0, 0.0 if barred else self.infinity)

    def solve(self) -> MasterSolution | None:
        """Return the cheapest mixture of columns, or None where HiGHS found none."""
        self.highs.run()
        solution = self.highs.getSolution()
        if not solution.dual_valid:
            return None
        return MasterSolution(
            float(self.highs.getInfo().objective_function_value),
            np.array(solution.row_dual),
            np.array(solution.col_value),
            np.array(solution.col_dual),
        )

"""The linear relaxation of a statement of the verifier, in floating point: how far its rows are from contradicting.

Multipliers of rows are linear duals, Farkas (1902). Nothing here is believed: the verifier sums the rows up itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp, inf
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.solvers.backends.highs import linear_highs
from placewise.tools.verify_certificate import RefusedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.tools.verify_certificate import Statement

    Floats = NDArray[np.float64]

#: Of sums of violations of scaled rows: below, there is no contradiction.
VIOLATED = 1e-7
#: Of duals, in turn: the last ones where HiGHS comes to no end with those before.
TOLERANCES = (1e-10, 1e-9, 1e-7)


class StoppedError(RefusedError):
    """The solver gave up, or ran out of time."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """The relaxation in a box.

    Parameters
    ----------
    excess : float
        What has to be spent beyond the bound at least, as a share of it, below 0 where less will do; infinite where the
        other rows contradict each other.
    multipliers : ndarray, shape (R,)
        Of the rows.
    point : ndarray, shape (C,)
        Where it is least.
    """

    excess: float
    multipliers: Floats
    point: Floats


class Relaxation:
    """Linear programmes that differ in their boxes.

    Parameters
    ----------
    statement : Statement
        R rows over C variables.
    time_limit : float
        Seconds for all of them.
    """

    def __init__(self, statement: Statement, time_limit: float) -> None:
        self.statement, self.time_limit = statement, time_limit
        reach = [
            1 if whole else max(abs(low), abs(high), 1)
            for whole, low, high in zip(statement.whole, statement.low, statement.high, strict=True)
        ]
        self.column = np.array([_power(value) for value in reach])
        largest = [max((abs(a) * reach[v] for a, v in terms), default=1) for terms, *_ in statement.rows]
        self.row = np.array([1 / _power(value) for value in largest])
        self.bounded = [row for row, (*_, bound) in enumerate(statement.rows) if bound]
        self.first = self._model(elastic=False) if self.bounded else None
        self.second: Any = None

    def _model(self, *, elastic: bool) -> Any:
        """Return a model: the rows may be exceeded by what is minimised, those of the bound in the same share, or all of them."""
        import highspy

        statement, size, count = self.statement, len(self.column), len(self.row)
        index: list[int] = []
        value: list[float] = []
        starts, low, high = [0], [-inf] * count, [inf] * count
        most = max(statement.most or 0, 1)
        for row, (terms, least, top, bound) in enumerate(statement.rows):
            index += [v for _, v in terms]
            value += [a * self.column[v] * self.row[row] for a, v in terms]
            if elastic:
                index += [size + row, size + count + row]
                value += [1.0, -1.0]
            elif bound:
                index.append(size)
                value.append(-float(most * self.row[row]))
            starts.append(len(index))
            low[row] = -inf if least is None else least * self.row[row]
            high[row] = inf if top is None or (elastic and bound) else top * self.row[row]
        extra = 2 * count if elastic else 1
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = size + extra, count
        model.col_cost_ = np.concatenate([np.zeros(size), np.ones(extra)])
        lowest = np.zeros(extra) if elastic else np.array([-2.0])
        model.col_lower_ = np.concatenate([np.array(statement.low) / self.column, lowest])
        model.col_upper_ = np.concatenate([np.array(statement.high) / self.column, np.full(extra, inf)])
        model.row_lower_, model.row_upper_ = np.array(low), np.array(high)
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.array(starts, dtype=np.int32)
        model.a_matrix_.index_ = np.array(index, dtype=np.int32)
        model.a_matrix_.value_ = np.array(value)
        highs = linear_highs(
            solver="simplex",
            time_limit=self.time_limit,
            primal_feasibility_tolerance=1e-9,
            small_matrix_value=1e-12,
        )
        highs.passModel(model)
        return highs

    def at(self, low: list[int], high: list[int]) -> Relaxed:
        """Return the relaxation in a box.

        Parameters
        ----------
        low, high : list of int, shape (C,)
            The box.

        Raises
        ------
        StoppedError
            Where the solver gives up, or takes too long.
        """
        if self.first is not None:
            found = self._solved(self.first, low, high)
            if found is not None:
                return found
        if self.second is None:
            self.second = self._model(elastic=True)
        found = self._solved(self.second, low, high)
        assert found is not None
        return Relaxed(inf if found.excess > VIOLATED else -inf, found.multipliers, found.point)

    def _solved(self, highs: Any, low: list[int], high: list[int]) -> Relaxed | None:
        """Return a model's optimum in a box, None where the model has no point there."""
        import highspy

        size = len(self.column)
        highs.changeColsBounds(
            size,
            np.arange(size, dtype=np.int32),
            np.array(low, dtype=np.float64) / self.column,
            np.maximum(high, low).astype(np.float64) / self.column,  # an empty box has no optimum
        )
        status = None
        for tolerance in TOLERANCES:
            highs.setOptionValue("dual_feasibility_tolerance", tolerance)
            highs.run()
            status = highs.getModelStatus()
            if status == highspy.HighsModelStatus.kInfeasible and highs is self.first:
                return None
            if status == highspy.HighsModelStatus.kOptimal:
                break
            highs.clearSolver()  # begin anew, without the last basis
        else:
            raise StoppedError(f"HiGHS says of a relaxation: {highs.modelStatusToString(status)}")
        solution = highs.getSolution()
        return Relaxed(
            float(highs.getInfo().objective_function_value),
            np.array(solution.row_dual) * self.row,
            np.array(solution.col_value)[:size] * self.column,
        )


def _power(value: int) -> float:
    """Return the power of two next below a number, or a little more."""
    return float(2.0 ** (frexp(value)[1] - 1))
